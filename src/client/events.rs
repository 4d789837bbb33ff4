//! Streams of JSON records (`application/json-seq`, RFC 7464: each record is 0x1e, JSON, line feed).

use super::ClientError;
use super::http::{self, Incoming};
use http_body_util::BodyExt;
use serde_json::Value;

/// More than any record of ours; a stream without a record end within it is cut.
const LONGEST: usize = 1 << 20;

/// An open stream.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    records: Records,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            records: Records::default(),
        }
    }

    /// The next record; `None` when the agent ended the stream.
    pub async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            if let Some(record) = self.records.take()? {
                return Ok(Some(record));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.map_err(http::dropped)?.into_data() {
                        self.records.feed(&data);
                    }
                }
            }
        }
    }
}

/// Cuts bytes into records.
#[derive(Debug, Default)]
struct Records {
    pending: Vec<u8>,
}

impl Records {
    fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete record. A record ends at its line feed: our JSON has none inside.
    fn take(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') else {
                return if self.pending.len() > LONGEST {
                    Err(ClientError::Answer(String::from("a record without an end")))
                } else {
                    Ok(None)
                };
            };
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let text = line
                .iter()
                .position(|byte| *byte != 0x1e)
                .map_or(&[][..], |start| &line[start..])
                .trim_ascii();
            if !text.is_empty() {
                return serde_json::from_slice(text)
                    .map(Some)
                    .map_err(|error| ClientError::Answer(error.to_string()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_found_across_chunks() {
        let mut records = Records::default();
        records.feed(b"\x1e{\"a\":");
        assert!(records.take().expect("fine").is_none());
        records.feed(b"1}\n\x1e\n\x1e{\"b\":2}\n");
        assert_eq!(records.take().expect("fine"), Some(json!({"a": 1})));
        assert_eq!(records.take().expect("fine"), Some(json!({"b": 2})));
        assert!(records.take().expect("fine").is_none());
    }

    #[test]
    fn junk_is_an_error() {
        let mut records = Records::default();
        records.feed(b"\x1enot json\n");
        assert!(records.take().is_err());
    }
}
