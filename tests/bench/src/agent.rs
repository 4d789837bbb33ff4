//! A server under measurement: started, asked, looked at through /proc, ended.

use crate::http::Http;
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The one question that everything is measured by.
pub const QUESTION: &str = "/v2/system-info";

pub struct Agent {
    child: Child,
    pub root: PathBuf,
    pub program: PathBuf,
    /// From the start of the process to the first answer.
    pub ready: Duration,
}

impl Agent {
    /// Starts `program ARGUMENTS` and waits for its first answer on ROOT/run/snapd.socket.
    pub fn start<S: AsRef<OsStr>>(program: &Path, arguments: &[S], root: &Path) -> Result<Self> {
        let socket = root.join("run/snapd.socket");
        let begin = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(root.join("stderr"))?)
            .spawn()?;
        let mut agent = Self {
            child,
            root: root.to_owned(),
            program: program.to_owned(),
            ready: Duration::ZERO,
        };
        loop {
            if let Ok(mut http) = Http::open(&socket)
                && let Ok((200, _)) = http.get(QUESTION)
            {
                agent.ready = begin.elapsed();
                return Ok(agent);
            }
            if let Some(status) = agent.child.try_wait()? {
                let said = std::fs::read_to_string(root.join("stderr")).unwrap_or_default();
                return Err(format!("{} ended with {status}: {said}", program.display()).into());
            }
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(format!("{} did not answer within 60 s", program.display()).into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    pub fn pinion(program: &Path, root: &Path) -> Result<Self> {
        let root_argument = root.as_os_str();
        let arguments = ["daemon", "--board", "sim", "--root"].map(OsStr::new);
        Self::start(program, &[&arguments[..], &[root_argument]].concat(), root)
    }

    pub fn http(&self) -> Result<Http> {
        Ok(Http::open(&self.root.join("run/snapd.socket"))?)
    }

    /// Runs a command of the agent's own client.
    pub fn client(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new(&self.program).args(arguments).arg("--root").arg(&self.root).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("pinion {} failed: {said}", arguments.join(" ")).into());
        }
        Ok(())
    }

    /// CPU time that all its threads have used.
    pub fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or("0").parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident and anonymous memory in KiB.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        Ok((field("Rss:"), field("Anonymous:")))
    }

    /// Asks it to end, and waits.
    pub fn end(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(&pid).status()?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > Duration::from_secs(20) {
                self.child.kill()?;
                self.child.wait()?;
                return Err("it did not end within 20 s of being asked".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
