//! The closed list of what can go wrong for a requester. Each dialect maps it without a wildcard.

use serde_json::Value;

/// What kind of failure it is. Codes and wire names are the dialects' business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Deserialize))]
pub enum ErrorKind {
    /// The request does not make sense as it stands.
    BadRequest,
    /// Nothing by that name; no more precise kind.
    NotFound,
    /// The verb is not for this path.
    MethodNotAllowed,
    /// Who asks is not known well enough.
    Unauthorized,
    /// Who asks is known and may not.
    Forbidden,
    /// It cannot be done in the present state.
    Conflict,
    /// More than one thing at once was asked where only one can be done.
    NotImplemented,
    /// The body is larger than allowed.
    TooLarge,
    /// Our own failure.
    Internal,
    SnapNotFound,
    SnapNotInstalled,
    SnapAlreadyInstalled,
    SnapChangeConflict,
    SnapLocal,
    SnapNotASnap,
    SnapNeedsDevmode,
    SnapNeedsClassic,
    SnapNeedsClassicSystem,
    SnapNotClassic,
    AppNotFound,
    InterfacesUnchanged,
    OptionNotFound,
    AssertionNotFound,
    InsufficientDiskSpace,
    /// A store would have to be asked, and cannot be.
    StoreUnreachable,
    /// snapctl's own way to say no.
    Unsuccessful,
    LineNotFound,
    LineBusy,
    LineDirection,
    HardwareUnsupported,
    HardwareError,
}

/// A failure with what a person can act on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Its kind.
    pub kind: ErrorKind,
    /// One sentence: what is wrong and what to do.
    pub message: String,
    /// What the contract puts beside the kind (a snap's name, the consumer of a line, …).
    pub value: Option<Value>,
}

impl Fault {
    /// A failure of a kind with its sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            value: None,
        }
    }

    /// The same with a value.
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// A request that does not make sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }

    /// Our own failure.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

/// Keeps a page of somebody's text out of an error.
pub fn shortened(message: String) -> String {
    const MOST: usize = 400;
    if message.chars().count() <= MOST {
        return message;
    }
    let head: String = message.chars().take(MOST / 2).collect();
    let tail: String = message.chars().rev().take(MOST / 2).collect();
    format!("{head} … {}", tail.chars().rev().collect::<String>())
}
