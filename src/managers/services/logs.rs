//! What services print: two bounded files for each service, and the lines as they come for those who follow.

use crate::domain::{Dirs, Fault, SnapName, Timestamp, sort, work};
use crate::drivers::clock::Clock;
use crate::drivers::fs;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// A file that has reached this size becomes the old one; there is one old one.
const FILE: u64 = 128 * 1024;

/// The files of all services together; beyond it the old ones go, the oldest first.
const TOTAL: u64 = 8 * 1024 * 1024;

/// Longer lines are cut in pieces.
const LINE: usize = 4 * 1024;

/// What a service may print in a second; one that prints more waits.
const RATE: usize = 1024 * 1024;

/// Lines on their way to followers; a slow follower misses the oldest.
const FOLLOWED: usize = 64;

/// One line as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub time: Timestamp,
    /// Who printed it: `SNAP.APP`, or a name of the journal's own.
    pub sid: String,
    /// The process as text; `-` when nobody knows.
    pub pid: String,
    pub message: String,
}

impl From<Printed> for LogLine {
    fn from(printed: Printed) -> Self {
        Self {
            time: printed.time,
            sid: format!("{}.{}", printed.snap, printed.app),
            pid: printed.pid,
            message: printed.message,
        }
    }
}

/// One line of a service's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    pub time: Timestamp,
    pub snap: SnapName,
    pub app: String,
    /// The service's first process, as text; `-` when nobody knows.
    pub pid: String,
    pub message: String,
}

/// What a reader of logs gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogItem {
    Line(LogLine),
    /// So many lines were lost, because the reader was too slow.
    Lost(u64),
}

/// Lines as they are read.
pub type LogStream = BoxStream<'static, LogItem>;

/// The logs of all services.
#[derive(Debug)]
pub struct Logs {
    dirs: Dirs,
    clock: Clock,
    followers: broadcast::Sender<Printed>,
}

impl Logs {
    /// Logs below the agent's volatile folder.
    pub fn new(dirs: Dirs, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            dirs,
            clock,
            followers: broadcast::channel(FOLLOWED).0,
        })
    }

    fn path(&self, snap: &SnapName, app: &str) -> PathBuf {
        self.dirs.logs().join(format!("{snap}.{app}.log"))
    }

    fn old_path(&self, snap: &SnapName, app: &str) -> PathBuf {
        self.dirs.logs().join(format!("{snap}.{app}.log.1"))
    }

    /// The writer of one service's log.
    pub fn writer(self: &Arc<Self>, snap: SnapName, app: &str) -> Arc<LogWriter> {
        Arc::new(LogWriter {
            logs: self.clone(),
            snap,
            app: app.to_owned(),
            file: Mutex::default(),
        })
    }

    /// The newest `count` lines of these services in the order of their times; all when `None`.
    pub fn tail(&self, services: &[(SnapName, String)], count: Option<usize>) -> Vec<Printed> {
        let mut lines: Vec<Printed> = services
            .iter()
            .flat_map(|(snap, app)| self.read(snap, app))
            .collect();
        sort::by_key(&mut lines, |line| line.time);
        if let Some(count) = count {
            lines.drain(..lines.len().saturating_sub(count));
        }
        lines
    }

    fn read(&self, snap: &SnapName, app: &str) -> Vec<Printed> {
        [self.old_path(snap, app), self.path(snap, app)]
            .iter()
            .filter_map(|path| std::fs::read(path).ok())
            .flat_map(|text| {
                String::from_utf8_lossy(&text)
                    .lines()
                    .filter_map(|line| parse_line(snap, app, line))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// The newest `count` lines, and with `follow` what comes from now on.
    pub async fn stream(
        self: Arc<Self>,
        services: Vec<(SnapName, String)>,
        count: Option<usize>,
        follow: bool,
    ) -> Result<LogStream, Fault> {
        // Before the files are read, so that nothing is missed in between.
        let coming = follow.then(|| self.followers.subscribe());
        let mut newest = sort::map(services.iter().map(|service| (service.clone(), Timestamp(0))));
        let lines = work::blocking(move || self.tail(&services, count))
            .await
            .map_err(|error| Fault::internal(error.to_string()))?;
        for line in &lines {
            newest.insert((line.snap.clone(), line.app.clone()), line.time);
        }
        let printed = stream::iter(lines.into_iter().map(|line| LogItem::Line(line.into())));
        let Some(coming) = coming else {
            return Ok(printed.boxed());
        };
        let coming = stream::unfold(Follow { coming, newest }, async |mut follow| {
            let item = follow.next().await?;
            Some((item, follow))
        });
        Ok(printed.chain(coming).boxed())
    }

    /// Removes old files, the oldest first, until all files together are no larger than `total`.
    fn limit(&self, total: u64) {
        let entries = std::fs::read_dir(self.dirs.logs())
            .into_iter()
            .flatten()
            .flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let about = entry.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), entry.path()))
            })
            .collect();
        sort::by(&mut files, Ord::cmp);
        let mut sum: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if sum <= total {
                return;
            }
            // A file that is being written stays: its turn comes when it is an old one.
            if path.extension().is_some_and(|end| end == "1") && fs::remove_file(&path).is_ok() {
                sum -= size;
            }
        }
    }

    /// Forgets what the services of a snap have printed.
    pub fn forget(&self, snap: &SnapName) {
        let prefix = format!("{snap}.");
        for entry in std::fs::read_dir(self.dirs.logs())
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                // What cannot be removed is gone after the next start of the machine.
                let _ = fs::remove_file(&entry.path());
            }
        }
    }
}

/// One follower of some services' logs.
struct Follow {
    coming: broadcast::Receiver<Printed>,
    /// The newest line of each service that was told already.
    newest: BTreeMap<(SnapName, String), Timestamp>,
}

impl Follow {
    /// The next line; `None` when there will be none any more.
    async fn next(&mut self) -> Option<LogItem> {
        loop {
            match self.coming.recv().await {
                Ok(line) => {
                    let newest = self.newest.get(&(line.snap.clone(), line.app.clone()));
                    if newest.is_some_and(|newest| line.time > *newest) {
                        return Some(LogItem::Line(line.into()));
                    }
                }
                // What was lost may have been of other services; a reader can look it up in the kept lines.
                Err(broadcast::error::RecvError::Lagged(lost)) => return Some(LogItem::Lost(lost)),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// A line of a log file: nanoseconds since 1970, the process, the text.
fn parse_line(snap: &SnapName, app: &str, line: &str) -> Option<Printed> {
    let mut parts = line.splitn(3, ' ');
    Some(Printed {
        time: Timestamp(parts.next()?.parse().ok()?),
        snap: snap.clone(),
        app: app.to_owned(),
        pid: parts.next()?.to_owned(),
        message: parts.next().unwrap_or_default().to_owned(),
    })
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// The log of one service.
#[derive(Debug)]
pub struct LogWriter {
    logs: Arc<Logs>,
    snap: SnapName,
    app: String,
    file: Mutex<Option<Open>>,
}

impl LogWriter {
    /// Adds lines. A log that cannot be written does not stop the service; followers still see it.
    pub fn write(&self, pid: i32, text: &str) {
        let pid = if pid > 0 {
            pid.to_string()
        } else {
            String::from("-")
        };
        for message in text.lines() {
            let line = Printed {
                time: self.logs.clock.now(),
                snap: self.snap.clone(),
                app: self.app.clone(),
                pid: pid.clone(),
                message: message.to_owned(),
            };
            if let Err(error) = self.append(&format!("{} {} {message}\n", line.time.0, line.pid)) {
                log::debug!("cannot write the log of {}.{}: {error}", self.snap, self.app);
            }
            // No follower is fine.
            let _ = self.logs.followers.send(line);
        }
    }

    fn append(&self, line: &str) -> std::io::Result<()> {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.logs.path(&self.snap, &self.app);
        if open.as_ref().is_some_and(|open| open.size >= FILE) {
            std::fs::rename(&path, self.logs.old_path(&self.snap, &self.app))?;
            *open = None;
            self.logs.limit(TOTAL);
        }
        if open.is_none() {
            fs::make_dir(&self.logs.dirs.logs(), 0o700).map_err(|error| error.source)?;
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&path)?;
            let size = file.metadata()?.len();
            *open = Some(Open { file, size });
        }
        if let Some(open) = open.as_mut() {
            open.file.write_all(line.as_bytes())?;
            open.size += line.len() as u64;
        }
        Ok(())
    }

    /// Copies what comes out of a pipe until its last writer is gone.
    pub async fn copy(&self, output: tokio::net::unix::pipe::Receiver, pid: i32) {
        let mut rest: Vec<u8> = Vec::new();
        let (mut second, mut printed) = (Instant::now(), 0);
        loop {
            let read = {
                // Between two reads nothing of the buffer is kept: a quiet service costs no memory.
                if output.readable().await.is_err() {
                    break;
                }
                let mut buffer = [0; 4096];
                match output.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => {
                        rest.extend_from_slice(&buffer[..length]);
                        length
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                    Err(_) => break,
                }
            };
            while let Some(line) = take_line(&mut rest) {
                self.write(pid, &line);
            }
            printed += read;
            if second.elapsed() >= Duration::from_secs(1) {
                (second, printed) = (Instant::now(), 0);
            } else if printed > RATE {
                tokio::time::sleep(Duration::from_secs(1).saturating_sub(second.elapsed())).await;
            }
        }
        if !rest.is_empty() {
            self.write(pid, &shown(&rest));
        }
    }
}

/// The first whole line, or a piece of one that is too long.
fn take_line(rest: &mut Vec<u8>) -> Option<String> {
    let end = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) if end <= LINE => end + 1,
        _ if rest.len() > LINE => LINE,
        _ => return None,
    };
    let line: Vec<u8> = rest.drain(..end).collect();
    if rest.is_empty() {
        rest.shrink_to(0);
    }
    Some(shown(&line))
}

/// A line as it is kept. Control characters could play with the terminal of who reads the log.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end_matches(['\n', '\r'])
        .replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    fn logs() -> (tempfile::TempDir, Arc<Logs>, SnapName) {
        let root = tempfile::tempdir().expect("a folder");
        let logs = Logs::new(Dirs::new(root.path()), Clock::system());
        (root, logs, SnapName::new("web").expect("a name"))
    }

    #[test]
    fn lines_come_back_in_order_and_only_the_newest() {
        let (_root, logs, snap) = logs();
        let (one, two) = (logs.writer(snap.clone(), "one"), logs.writer(snap.clone(), "two"));
        one.write(7, "a\nb\n");
        two.write(8, "c");
        one.write(0, "");
        one.write(0, "d e");
        let of = |count| {
            let services = [(snap.clone(), "one".to_owned()), (snap.clone(), "two".to_owned())];
            let lines = logs.tail(&services, count);
            lines
                .into_iter()
                .map(|line| format!("{}/{}/{}", line.app, line.pid, line.message))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(None), ["one/7/a", "one/7/b", "two/8/c", "one/-/d e"]);
        assert_eq!(of(Some(2)), ["two/8/c", "one/-/d e"]);
        assert_eq!(of(Some(0)), Vec::<String>::new());
        logs.forget(&snap);
        assert_eq!(of(None), Vec::<String>::new());
    }

    #[test]
    fn a_log_takes_no_more_than_two_files() {
        let (root, logs, snap) = logs();
        let writer = logs.writer(snap.clone(), "one");
        let line = "x".repeat(1000);
        for _ in 0..1000 {
            writer.write(1, &line);
        }
        let files = std::fs::read_dir(root.path().join("run/pinion/logs")).expect("the folder");
        let sizes: Vec<u64> = files
            .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= FILE + LINE as u64), "{sizes:?}");
    }

    #[test]
    fn all_logs_together_are_bounded() {
        let (root, logs, snap) = logs();
        let line = "x".repeat(1000);
        for service in ["a", "b", "c"] {
            let writer = logs.writer(snap.clone(), service);
            for _ in 0..150 {
                writer.write(1, &line);
            }
        }
        let names = || {
            let files = std::fs::read_dir(root.path().join("run/pinion/logs")).expect("the folder");
            let mut names: Vec<String> = files
                .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names().len(), 6);
        logs.limit(2 * FILE);
        assert_eq!(names(), ["web.a.log", "web.b.log", "web.c.log", "web.c.log.1"]);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_lost() {
        let (_root, logs, snap) = logs();
        let writer = logs.writer(snap.clone(), "one");
        writer.write(1, "before");
        let services = vec![(snap.clone(), String::from("one"))];
        let mut lines = Arc::clone(&logs)
            .stream(services, Some(10), true)
            .await
            .expect("a stream");
        for number in 0..FOLLOWED + 5 {
            writer.write(1, &number.to_string());
        }
        let mut next = async || match lines.next().await.expect("an item") {
            LogItem::Line(line) => line.message,
            LogItem::Lost(count) => format!("lost {count}"),
        };
        assert_eq!(
            (next().await, next().await, next().await),
            ("before".into(), "lost 5".into(), "5".into())
        );
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_shown() {
        let mut rest = vec![b'x'; LINE + 10];
        assert_eq!(take_line(&mut rest).map(|line| line.len()), Some(LINE + 1));
        assert_eq!(take_line(&mut rest), None);
        let mut rest = b"a\x1b[31mb\tc\r\nrest".to_vec();
        assert_eq!(take_line(&mut rest).as_deref(), Some("a\u{fffd}[31mb\tc\n"));
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn a_last_line_without_an_end_is_shown_like_any_other() {
        let (_root, logs, snap) = logs();
        let (mut sender, receiver) = tokio::net::unix::pipe::pipe().expect("a pipe");
        let writer = logs.writer(snap.clone(), "one");
        sender.write_all(b"a\n\x1b[31mb\xff").await.expect("written");
        drop(sender);
        writer.copy(receiver, 7).await;
        let lines = logs.tail(&[(snap, "one".to_owned())], None);
        let texts: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(texts, ["a", "\u{fffd}[31mb\u{fffd}"]);
    }

    /// Few ends of lines, so that there are long ones.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![5000 => Just(b'x'), 100 => any::<u8>(), 1 => Just(b'\n')]
    }

    proptest! {
        /// Nothing of what a service prints is lost, and no line has anything but text.
        #[test]
        fn any_output_becomes_lines(pieces in prop::collection::vec(prop::collection::vec(byte(), 0..6000), 0..4)) {
            let (mut rest, mut lines, mut taken) = (Vec::new(), 0, 0);
            let all: usize = pieces.iter().map(Vec::len).sum();
            for piece in &pieces {
                rest.extend_from_slice(piece);
                let mut before = rest.len();
                while let Some(line) = take_line(&mut rest) {
                    prop_assert!(rest.len() < before);
                    taken += before - rest.len();
                    before = rest.len();
                    lines += 1;
                    prop_assert!(line.ends_with('\n') && line.len() <= 3 * LINE + 1);
                    prop_assert!(!line.trim_end_matches('\n').chars().any(|c| c.is_control() && c != '\t'));
                }
                prop_assert!(rest.len() <= LINE);
            }
            prop_assert_eq!(taken + rest.len(), all);
            prop_assert!(lines <= all);
        }
    }
}
