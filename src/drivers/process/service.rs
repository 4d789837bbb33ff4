//! Processes that live long.

use super::{End, Family, Job, prepare};
use std::io;
use std::process::Stdio;

/// A long-living process. It ends with the thread that started it, so it is started from the main thread.
pub struct Service {
    child: tokio::process::Child,
    family: Family,
    output: Option<tokio::net::unix::pipe::Receiver>,
}

impl Service {
    /// Starts one; on a thread that lives as long as the service shall.
    pub fn start(job: &Job) -> io::Result<Self> {
        let (mut command, mark) = prepare(job)?;
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let child = tokio::process::Command::from(command).spawn()?;
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or_default();
        nix::fcntl::fcntl(
            &reader,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )?;
        Ok(Self {
            child,
            family: Family {
                group: job.group.clone(),
                leader,
                mark,
            },
            output: Some(tokio::net::unix::pipe::Receiver::from_owned_fd(reader)?),
        })
    }

    /// Its standard output and error together, for the one who reads them.
    pub fn take_output(&mut self) -> Option<tokio::net::unix::pipe::Receiver> {
        self.output.take()
    }

    /// All processes that come from it.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Waits for the end of its first process. May be dropped and called again.
    pub async fn ended(&mut self) -> io::Result<End> {
        self.child.wait().await.map(End::from)
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.family.leader)
    }
}
