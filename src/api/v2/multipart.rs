//! `multipart/form-data`, cut into parts as it comes (RFC 7578). A pure parser: bytes in, events out, and never more
//! than a head or a piece in memory.

use bytes::{Buf, Bytes, BytesMut};

/// The most bytes of the head of one part.
const HEAD_LIMIT: usize = 16 * 1024;

/// The most bytes of blanks after a boundary.
const PADDING_LIMIT: usize = 128;

/// The most parts.
const PART_LIMIT: usize = 256;

/// What comes next in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part {
        /// The field that it fills in; empty when it is not said.
        name: String,
        /// What the client calls the file; `None` makes the part a text.
        file: Option<String>,
    },
    /// A piece of the part.
    Data(Bytes),
    /// The part is here in full.
    PartEnd,
    /// The form is here in full; what follows does not matter.
    End,
}

/// Why it is no form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    #[error("its content type has no usable boundary")]
    Boundary,
    #[error("the head of a part is larger than {HEAD_LIMIT} bytes")]
    Head,
    #[error("a part has no valid Content-Disposition")]
    Disposition,
    #[error("a boundary is not followed by a new line")]
    AfterBoundary,
    #[error("it has more than {PART_LIMIT} parts")]
    Parts,
    #[error("it ends in the middle")]
    Unfinished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    AfterBoundary,
    Head,
    Data,
    Ended,
}

/// The parser. Feed it what comes, ask for events until there are none, and say when nothing more comes.
#[derive(Debug)]
pub struct Form {
    /// New line, two dashes and the boundary.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
    parts: usize,
}

impl Form {
    /// A parser for the parameters of a `multipart/…` content type.
    pub fn new(parameters: &str) -> Result<Self, BadForm> {
        let boundary = parameter(parameters, "boundary").ok_or(BadForm::Boundary)?;
        let fits = (1..=70).contains(&boundary.len())
            && boundary
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
            && !boundary.ends_with(' ');
        if !fits {
            return Err(BadForm::Boundary);
        }
        Ok(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first boundary may stand at the very beginning.
            buffer: BytesMut::from(&b"\r\n"[..]),
            state: State::Preamble,
            parts: 0,
        })
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::Ended {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next event; `None` until more bytes come.
    pub fn next_event(&mut self) -> Result<Option<Event>, BadForm> {
        loop {
            match self.state {
                State::Ended => return Ok(None),
                State::Preamble => match find(&self.buffer, &self.delimiter) {
                    Some(at) => {
                        self.buffer.advance(at + self.delimiter.len());
                        self.state = State::AfterBoundary;
                    }
                    None => {
                        let spare = self.spare();
                        self.buffer.advance(spare);
                        return Ok(None);
                    }
                },
                State::AfterBoundary => {
                    if self.buffer.starts_with(b"--") {
                        self.state = State::Ended;
                        self.buffer.clear();
                        return Ok(Some(Event::End));
                    }
                    let blanks = self
                        .buffer
                        .iter()
                        .take_while(|byte| matches!(byte, b' ' | b'\t'))
                        .count();
                    let rest = &self.buffer[blanks..];
                    if blanks > PADDING_LIMIT {
                        return Err(BadForm::AfterBoundary);
                    }
                    if rest.len() < 2 && (rest.is_empty() || rest == b"\r" || (blanks == 0 && rest == b"-")) {
                        return Ok(None);
                    }
                    if !rest.starts_with(b"\r\n") {
                        return Err(BadForm::AfterBoundary);
                    }
                    self.parts += 1;
                    if self.parts > PART_LIMIT {
                        return Err(BadForm::Parts);
                    }
                    // The new line stays: a head without any line begins with its end.
                    self.buffer.advance(blanks);
                    self.state = State::Head;
                }
                State::Head => {
                    let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                        return if self.buffer.len() > HEAD_LIMIT {
                            Err(BadForm::Head)
                        } else {
                            Ok(None)
                        };
                    };
                    if end > HEAD_LIMIT {
                        return Err(BadForm::Head);
                    }
                    let event = part(&self.buffer[..end])?;
                    self.buffer.advance(end + 4);
                    self.state = State::Data;
                    return Ok(Some(event));
                }
                State::Data => {
                    let (piece, ended) = match find(&self.buffer, &self.delimiter) {
                        Some(at) => (at, true),
                        None => (self.spare(), false),
                    };
                    if piece > 0 {
                        return Ok(Some(Event::Data(self.buffer.split_to(piece).freeze())));
                    }
                    if !ended {
                        return Ok(None);
                    }
                    self.buffer.advance(self.delimiter.len());
                    self.state = State::AfterBoundary;
                    return Ok(Some(Event::PartEnd));
                }
            }
        }
    }

    /// Nothing more comes: fine only after the last boundary.
    pub fn finish(&self) -> Result<(), BadForm> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(BadForm::Unfinished),
        }
    }

    /// How many bytes cannot belong to a delimiter whose end is yet to come.
    fn spare(&self) -> usize {
        let hold = self.delimiter.len() - 1;
        let mut from = self.buffer.len().saturating_sub(hold);
        while from < self.buffer.len() && !self.delimiter.starts_with(&self.buffer[from..]) {
            from += 1;
        }
        from
    }
}

/// Where `needle`, which begins with a carriage return, begins first.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == b'\r') {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// What the head of a part says.
fn part(head: &[u8]) -> Result<Event, BadForm> {
    let head = std::str::from_utf8(head).map_err(|_| BadForm::Disposition)?;
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value.trim())
        .ok_or(BadForm::Disposition)?;
    let (kind, parameters) = disposition.split_once(';').unwrap_or((disposition, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(BadForm::Disposition);
    }
    // Only the last part of a path that a client sends counts as the file's name.
    let file = parameter(parameters, "filename")
        .map(|path| path.rsplit('/').next().unwrap_or_default().to_owned())
        .filter(|name| !name.is_empty());
    Ok(Event::Part {
        name: parameter(parameters, "name").unwrap_or_default(),
        file,
    })
}

/// The value of a parameter in `a=b; c="d \" e"`.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A quoted text up to its closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests;
