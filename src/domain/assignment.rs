//! Configuration as people and scripts write it, `KEY=VALUE` and `KEY!`, and as it is printed for them (contract:
//! confinement, section 7, get and set).

use serde_json::{Map, Value};

/// How the text of a value is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// JSON if it is JSON, else text.
    Lenient,
    /// JSON, and nothing else.
    Strict,
    /// Text, whatever it looks like.
    Text,
}

/// What is wrong with an assignment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAssignment {
    #[error("invalid parameter: {0:?} (want key=value)")]
    NoValue(String),
    #[error("failed to parse JSON: {0}")]
    NotJson(String),
}

/// The values by their keys; null for `KEY!`.
pub fn read(words: &[String], typing: Typing) -> Result<Map<String, Value>, BadAssignment> {
    let mut patch = Map::new();
    for word in words {
        match (word.split_once('='), word.strip_suffix('!')) {
            (Some((key, text)), _) => patch.insert(key.to_owned(), value(text, typing)?),
            (None, Some(key)) if !key.is_empty() => patch.insert(key.to_owned(), Value::Null),
            _ => return Err(BadAssignment::NoValue(word.clone())),
        };
    }
    Ok(patch)
}

fn value(text: &str, typing: Typing) -> Result<Value, BadAssignment> {
    if typing == Typing::Text {
        return Ok(Value::String(text.to_owned()));
    }
    match serde_json::from_slice(text.as_bytes()) {
        Ok(value) => Ok(value),
        Err(_) if typing == Typing::Lenient => Ok(Value::String(text.to_owned())),
        Err(error) => Err(BadAssignment::NotJson(reason(text, &error))),
    }
}

/// What is wrong with a text that should be JSON, in the words that scripts know.
fn reason(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return String::from("unexpected end of JSON input");
    }
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let at = error.column().saturating_sub(1);
    let found = line.get(at..).and_then(|rest| rest.chars().next());
    let told = error.to_string();
    match found {
        Some(found) if told.starts_with("trailing characters") => {
            format!("invalid character {found:?} after top-level value")
        }
        Some(found) if told.starts_with("expected value") => {
            format!("invalid character {found:?} looking for beginning of value")
        }
        _ => told,
    }
}

/// One value as `get` prints it: text as it is, everything else as JSON; nothing for what is not there.
pub fn shown(value: Option<Value>, typed: bool) -> String {
    match value {
        None if typed => String::from("null"),
        None => String::new(),
        Some(Value::String(text)) if !typed => text,
        Some(value) => with_tabs(&value),
    }
}

/// JSON with tabs, as the contract's `get` prints documents.
pub fn with_tabs(value: &Value) -> String {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, format);
    // A value in memory can always be written.
    let _ = serde::Serialize::serialize(value, &mut writer);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn assignments() {
        let read = |line: &str, typing| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            read(&words, typing)
                .map(Value::Object)
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            read("a=1 b=x c! d=[1] e= f=a=b g=hey!", Typing::Lenient),
            Ok(json!({"a": 1, "b": "x", "c": null, "d": [1], "e": "", "f": "a=b", "g": "hey!"}))
        );
        assert_eq!(read("a=1", Typing::Text), Ok(json!({"a": "1"})));
        assert_eq!(read("a=\"1\"", Typing::Strict), Ok(json!({"a": "1"})));
        for (word, text) in [
            ("nokey", "invalid parameter: \"nokey\" (want key=value)"),
            ("!", "invalid parameter: \"!\" (want key=value)"),
            (
                "a=x",
                "failed to parse JSON: invalid character 'x' looking for beginning of value",
            ),
            (
                "a=5x",
                "failed to parse JSON: invalid character 'x' after top-level value",
            ),
            ("a=", "failed to parse JSON: unexpected end of JSON input"),
        ] {
            assert_eq!(read(word, Typing::Strict), Err(text.into()), "{word}");
        }
    }

    #[test]
    fn values_as_they_are_printed() {
        assert_eq!(with_tabs(&json!({"doc.a": 1})), "{\n\t\"doc.a\": 1\n}");
        assert_eq!(with_tabs(&json!({})), "{}");
        assert_eq!(shown(Some(json!("x")), false), "x");
        assert_eq!(shown(Some(json!("x")), true), "\"x\"");
        assert_eq!(
            (shown(None, false), shown(None, true)),
            (String::new(), "null".into())
        );
    }
}
