//! Patterns of device paths: a handful of pieces instead of a regular expression engine.

/// One piece of a pattern. A repeated piece takes as many characters as it can.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// Exactly this.
    Text(&'static str),
    /// One of these; the first that fits, so longer ones with the same beginning come first.
    OneOf(&'static [&'static str]),
    /// From so many to so many digits.
    Digits(usize, usize),
    /// From so many to so many of `a-z`.
    Lower(usize, usize),
    /// One or more of `a-z0-9`.
    LowerOrDigit,
    /// One or more of `a-zA-Z0-9_-`.
    Name,
    /// One or more of anything but a slash.
    Segment,
}

/// More than any device number has.
pub const MANY: usize = 32;

/// The whole text fits the pieces, one after the other.
pub fn fits(text: &str, pattern: &[Piece]) -> bool {
    let mut rest = text;
    for piece in pattern {
        let Some(next) = piece.take(rest) else {
            return false;
        };
        rest = next;
    }
    rest.is_empty()
}

/// The text fits any of the patterns.
pub fn fits_any(text: &str, patterns: &[&[Piece]]) -> bool {
    patterns.iter().any(|pattern| fits(text, pattern))
}

impl Piece {
    /// What is left of the text behind the piece.
    fn take(self, text: &str) -> Option<&str> {
        match self {
            Self::Text(word) => text.strip_prefix(word),
            Self::OneOf(words) => words.iter().find_map(|word| text.strip_prefix(word)),
            Self::Digits(least, most) => run(text, least, most, |b| b.is_ascii_digit()),
            Self::Lower(least, most) => run(text, least, most, |b| b.is_ascii_lowercase()),
            Self::LowerOrDigit => run(text, 1, usize::MAX, |b| {
                b.is_ascii_lowercase() || b.is_ascii_digit()
            }),
            Self::Name => run(text, 1, usize::MAX, |b| {
                b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
            }),
            Self::Segment => run(text, 1, usize::MAX, |b| b != b'/'),
        }
    }
}

fn run(text: &str, least: usize, most: usize, belongs: fn(u8) -> bool) -> Option<&str> {
    let length = text.bytes().take(most).take_while(|byte| belongs(*byte)).count();
    if length < least {
        return None;
    }
    text.get(length..)
}

/// A path without `.`, `..`, doubled and trailing slashes; nothing is looked up. An empty path is `.`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
