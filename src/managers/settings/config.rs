//! Configuration documents: reading and patching them by dotted keys (contract: snaps-and-assertions, section 4; v2,
//! section 7). Pure.

use serde_json::{Map, Value};

/// How deep and how long a key may be; the contract has no limits, a store needs some.
const KEY_BYTES: usize = 1024;
const KEY_PARTS: usize = 64;

/// What is wrong with a key or a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The part of the key that is wrong.
    #[error("invalid option name: {0:?}")]
    BadKey(String),
    /// The key up to the value that is not a map.
    #[error("snap {snap:?} option {key:?} is not a map")]
    NotAMap { snap: String, key: String },
}

/// The parts of a key.
pub fn parts(key: &str) -> Result<Vec<&str>, ConfigError> {
    let parts: Vec<&str> = key.split('.').collect();
    if key.len() > KEY_BYTES || parts.len() > KEY_PARTS {
        return Err(ConfigError::BadKey(key.chars().take(40).collect()));
    }
    match parts.iter().find(|part| !is_part(part)) {
        Some(part) => Err(ConfigError::BadKey((*part).to_owned())),
        None => Ok(parts),
    }
}

/// `^(?:[a-z0-9]+-?)*[a-z](?:-?[a-z0-9])*$`: words of small letters and digits joined by single dashes, with at least
/// one letter.
fn is_part(part: &str) -> bool {
    !part.starts_with('-')
        && !part.ends_with('-')
        && !part.contains("--")
        && part.bytes().any(|byte| byte.is_ascii_lowercase())
        && part
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The value of a key; `None` when it is not there, or is null.
pub fn get<'a>(snap: &str, document: &'a Value, key: &str) -> Result<Option<&'a Value>, ConfigError> {
    let parts = parts(key)?;
    let mut value = document;
    for (depth, part) in parts.iter().enumerate() {
        match value {
            Value::Object(map) => match map.get(*part) {
                Some(next) => value = next,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            _ => {
                return Err(ConfigError::NotAMap {
                    snap: snap.to_owned(),
                    key: parts[..depth].join("."),
                });
            }
        }
    }
    Ok((!value.is_null()).then_some(value))
}

/// Sets one key; null takes it away. Maps on the way are made; a map is replaced as a whole.
pub fn set(snap: &str, document: &mut Value, key: &str, value: Value) -> Result<(), ConfigError> {
    let parts = parts(key)?;
    let mut place = document;
    for (depth, part) in parts.iter().enumerate() {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else {
            return Err(ConfigError::NotAMap {
                snap: snap.to_owned(),
                key: parts[..depth].join("."),
            });
        };
        if depth + 1 == parts.len() {
            let value = purged(value);
            if value.is_null() {
                map.remove(*part);
            } else {
                map.insert((*part).to_owned(), value);
            }
            return Ok(());
        }
        if value.is_null() && !map.contains_key(*part) {
            return Ok(());
        }
        place = map.entry((*part).to_owned()).or_insert(Value::Null);
    }
    Ok(())
}

/// Sets all keys of a patch, shorter ones first, so that `a` and `a.b` in one patch agree; nothing when one is wrong.
pub fn patch(snap: &str, document: &Value, patch: &Map<String, Value>) -> Result<Value, ConfigError> {
    let mut patched = document.clone();
    let mut keys: Vec<&String> = patch.keys().collect();
    keys.sort_by_key(|key| key.split('.').count());
    for key in keys {
        set(snap, &mut patched, key, patch[key].clone())?;
    }
    Ok(patched)
}

/// A value without the nulls in its maps.
fn purged(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, purged(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
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
    fn keys() {
        // contract: v2, section 7; confinement, section 7
        for good in ["a", "a1", "1a", "a-b.c", "pi-config.gpu-mem-256", "0a0"] {
            assert!(parts(good).is_ok(), "{good}");
        }
        for (bad, part) in [
            ("Bad_Key", "Bad_Key"),
            ("a..b", ""),
            ("j.k.0", "0"),
            ("", ""),
            ("-a", "-a"),
            ("a-", "a-"),
            ("a--b", "a--b"),
            ("ä", "ä"),
        ] {
            assert_eq!(parts(bad), Err(ConfigError::BadKey(part.into())), "{bad}");
        }
    }

    #[test]
    fn values_are_read_by_path() {
        let document = json!({"a": 1, "d": {"e": [1, 2], "n": null}});
        let of = |key| get("cf", &document, key).map(|value| value.cloned());
        assert_eq!(of("a"), Ok(Some(json!(1))));
        assert_eq!(of("d.e"), Ok(Some(json!([1, 2]))));
        assert_eq!(of("d.n"), Ok(None));
        assert_eq!(of("x.y"), Ok(None));
        let error = of("a.b").expect_err("a scalar");
        assert_eq!(error.to_string(), r#"snap "cf" option "a" is not a map"#);
    }

    #[test]
    fn patches() {
        let document = json!({"a": 1, "d": {"x": 1, "y": 2}});
        let after = |change: Value| {
            patch("cf", &document, change.as_object().expect("a map")).map_err(|error| error.to_string())
        };
        assert_eq!(
            after(json!({"b.c": 1})),
            Ok(json!({"a": 1, "b": {"c": 1}, "d": {"x": 1, "y": 2}}))
        );
        assert_eq!(after(json!({"d.x": null})), Ok(json!({"a": 1, "d": {"y": 2}})));
        assert_eq!(after(json!({"no.such": null})), Ok(document.clone()));
        assert_eq!(
            after(json!({"d": {"z": 1, "n": null}})),
            Ok(json!({"a": 1, "d": {"z": 1}}))
        );
        assert_eq!(
            after(json!({"d.q": 3, "d": {"z": 1}})),
            Ok(json!({"a": 1, "d": {"z": 1, "q": 3}}))
        );
        assert_eq!(
            after(json!({"a.b": 1})),
            Err(r#"snap "cf" option "a" is not a map"#.into())
        );
        assert_eq!(after(json!({"A": 1})), Err(r#"invalid option name: "A""#.into()));
    }

    #[test]
    fn documents_are_printed_with_tabs() {
        assert_eq!(with_tabs(&json!({"doc.a": 1})), "{\n\t\"doc.a\": 1\n}");
        assert_eq!(with_tabs(&json!({})), "{}");
    }
}
