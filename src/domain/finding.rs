//! A difference between what the store says and what the system shows.

/// One difference, found by reconcile or by `pinion check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which letter of the reliability invariant it breaks: (a) acknowledged changes exist, (b) changes end, (c) the
    /// system equals the store, (d) the database is sound, (e) nothing ran twice, (f) no secret in logs.
    pub rule: char,
    /// One sentence that names the thing and what is wrong with it.
    pub text: String,
}

impl Finding {
    /// The system differs from the store.
    pub fn system(text: impl Into<String>) -> Self {
        Self {
            rule: 'c',
            text: text.into(),
        }
    }

    /// Another rule is broken.
    pub fn new(rule: char, text: impl Into<String>) -> Self {
        Self {
            rule,
            text: text.into(),
        }
    }
}
