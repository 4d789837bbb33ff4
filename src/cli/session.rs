//! What a command has at hand: the client, where to write, and how to wait.

use super::terminal;
use crate::client::types::Change;
use crate::client::{Answer, Client, ClientError};
use serde_json::Value;
use std::fmt::Display;
use std::io::{self, Write};

/// Why a command ends without having done what was asked.
#[derive(Debug)]
pub enum Failure {
    /// One sentence for people; exit code 1.
    Failed(String),
    /// Nobody answers at the socket; exit code 1.
    Absent(String),
    /// The command line itself was wrong; exit code 2.
    Usage(String),
    /// Whoever read our output is gone; nothing to say.
    OutputClosed,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::Absent(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write: {error}")),
        }
    }
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

/// How a command ends.
pub type Outcome = Result<(), Failure>;

/// One run of a command.
#[derive(Debug)]
pub struct Session {
    pub client: Client,
    /// Results as JSON.
    pub json: bool,
}

impl Session {
    /// Writes to standard output.
    pub fn print(&self, text: impl Display) -> Outcome {
        let mut out = io::stdout().lock();
        write!(out, "{text}")?;
        out.flush()?;
        Ok(())
    }

    /// Writes a line to standard output.
    pub fn say(&self, text: impl Display) -> Outcome {
        self.print(format_args!("{text}\n"))
    }

    /// A remark beside the result, on standard error.
    pub fn remark(&self, text: impl Display) {
        // Nobody to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Writes a result for a script.
    pub fn print_json(&self, value: &Value) -> Outcome {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(error.to_string()))?;
        self.say(text)
    }

    /// Reads a resource; with `--json` prints it and gives nothing.
    pub async fn read_or_print<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        let answer = self.client.get(path).await?;
        if self.json {
            self.print_json(&answer.result)?;
            return Ok(None);
        }
        Ok(Some(answer.parse()?))
    }

    /// Waits for the change of an answer, or prints its id. `None` means that there is nothing more to say: the
    /// change goes on, or was printed as JSON.
    pub async fn finish(&self, answer: Answer, no_wait: bool) -> Result<Option<Change>, Failure> {
        let id = answer.change()?;
        if no_wait {
            if self.json {
                self.print_json(&serde_json::json!({"change": id}))?;
            } else {
                self.say(&id)?;
            }
            return Ok(None);
        }
        let change = super::progress::wait(self, &id).await?;
        if self.json {
            let path = format!("/v2/changes/{id}");
            self.print_json(&self.client.get(&path).await?.result)?;
            return Ok(None);
        }
        Ok(Some(change))
    }

    /// Tells of warnings that wait, when a person reads.
    pub fn remind_of_warnings(&self) {
        match self.client.pending_warnings() {
            0 => {}
            _ if self.json || !terminal::is_live_stderr() => {}
            1 => self.remark("There is 1 warning; see it with `pinion warnings`."),
            n => self.remark(format_args!(
                "There are {n} warnings; see them with `pinion warnings`."
            )),
        }
    }
}
