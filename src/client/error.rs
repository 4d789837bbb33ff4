//! What can go wrong between a client and the agent.

use serde_json::Value;
use std::io;
use std::path::PathBuf;

/// The agent's "no".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The agent's sentence.
    pub message: String,
    /// The contract's word for it, where it has one.
    pub kind: String,
    /// What stands beside the kind.
    pub value: Value,
}

impl Refusal {
    /// Reads the result of an error answer; `reason` stands in for a missing message.
    pub(super) fn new(status: u16, result: Value, reason: &str) -> Self {
        let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default();
        let message = match text("message") {
            "" => format!("server error: {reason:?}"),
            message => message.to_owned(),
        };
        Self {
            status,
            message,
            kind: text("kind").to_owned(),
            value: result.get("value").cloned().unwrap_or(Value::Null),
        }
    }
}

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("cannot reach the agent at {}: {}", .socket.display(), unreachable_reason(.source))]
    Unreachable { socket: PathBuf, source: io::Error },
    /// The connection was lost before the answer was complete.
    #[error("lost the connection to the agent: {0}")]
    Dropped(String),
    /// The agent said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something answered, but not as agreed.
    #[error("cannot understand the agent's answer: {0}")]
    Answer(String),
    /// A file to be sent cannot be read.
    #[error("cannot read {}: {}", .path.display(), plain(.source))]
    File { path: PathBuf, source: io::Error },
}

impl ClientError {
    /// The connection broke while the answer was awaited; a read may be tried again.
    pub fn is_dropped_connection(&self) -> bool {
        matches!(self, Self::Dropped(_))
    }

    /// Nobody can be talked to at present; someone who waits may go on waiting.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Dropped(_) | Self::Unreachable { .. })
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

fn unreachable_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => String::from("there is no such socket; is `pinion daemon` running?"),
        io::ErrorKind::ConnectionRefused => {
            String::from("nobody listens there; start it with `pinion daemon`")
        }
        io::ErrorKind::PermissionDenied => String::from("this user may not use it; try with sudo"),
        _ => plain(error),
    }
}

/// What the system said, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
