//! Configuration documents: reading and patching them by dotted keys (contract: snaps-and-assertions, section 4; v2,
//! section 7). Pure and bounded: what is accepted can be stored, and read again at every later start.

use crate::domain::{SnapName, sort};
use crate::store::World;
use serde_json::{Map, Value};

/// How long a key may be, in bytes, and of how many parts; the contract has no limits, a store needs some.
const KEY_BYTES: usize = 1024;
const KEY_PARTS: usize = 32;

/// How much of a key an error shows, in characters as they are written there.
const KEY_SHOWN: usize = 300;

/// How many maps and arrays may stand in each other in a document. The decoder of JSON goes 128 deep, and a document
/// also stands within records.
pub const MAX_DEPTH: usize = 64;

/// How large a document may be as JSON, in bytes.
pub const MAX_SIZE: usize = 1 << 20;

/// What is wrong with a key, a path or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The part of the key that is wrong.
    #[error("invalid option name: {0:?}")]
    BadKey(String),
    /// The key up to the value that is not a map.
    #[error("snap {snap:?} option {key:?} is not a map")]
    NotAMap { snap: String, key: String },
    /// The key whose value is too deep.
    #[error("snap {snap:?} option {key:?} is nested more than {MAX_DEPTH} levels deep: make it flatter")]
    TooDeep { snap: String, key: String },
    /// What the snap would have then.
    #[error(
        "the configuration of snap {0:?} would be larger than {MAX_SIZE} bytes: keep large data in files"
    )]
    TooLarge(String),
}

/// What a snap has been configured with; null is nothing.
pub fn document(world: &World, snap: &SnapName) -> Value {
    let known = world.config.get(snap);
    known.map_or(Value::Null, |known| Value::clone(known))
}

/// The parts of a key.
pub fn parts(key: &str) -> Result<Vec<&str>, ConfigError> {
    let parts: Vec<&str> = key.split('.').collect();
    if key.len() > KEY_BYTES || parts.len() > KEY_PARTS {
        return Err(ConfigError::BadKey(key.chars().take(40).collect()));
    }
    match parts.iter().find(|part| !is_part(part)) {
        Some(part) => Err(ConfigError::BadKey(shown(part))),
        None => Ok(parts),
    }
}

/// The beginning of a key that is too long for a sentence; any other as it is.
fn shown(key: &str) -> String {
    let mut written = 0;
    key.chars()
        .take_while(|c| {
            written += c.escape_debug().count();
            written <= KEY_SHOWN
        })
        .collect()
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
            _ => return Err(not_a_map(snap, &parts[..depth])),
        }
    }
    Ok((!value.is_null()).then_some(value))
}

fn not_a_map(snap: &str, parts: &[&str]) -> ConfigError {
    ConfigError::NotAMap {
        snap: snap.to_owned(),
        key: shown(&parts.join(".")),
    }
}

/// Sets one key; null takes it away. Maps on the way are made; a map is replaced as a whole.
fn set(snap: &str, document: &mut Value, key: &str, value: &Value) -> Result<(), ConfigError> {
    let parts = parts(key)?;
    if parts.len() + depth(value) > MAX_DEPTH {
        return Err(ConfigError::TooDeep {
            snap: snap.to_owned(),
            key: shown(key),
        });
    }
    let mut place = document;
    for (depth, part) in parts.iter().enumerate() {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else {
            return Err(not_a_map(snap, &parts[..depth]));
        };
        if depth + 1 == parts.len() {
            if value.is_null() {
                map.remove(*part);
            } else {
                map.insert((*part).to_owned(), purged(value));
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

/// The document with all keys of a patch set, shorter ones first, so that `a` and `a.b` in one patch agree; an error
/// when one is wrong. Null takes a key away, arrays and maps are replaced whole.
pub fn patch(snap: &str, document: &Value, patch: &Map<String, Value>) -> Result<Value, ConfigError> {
    let mut patched = document.clone();
    let mut keys: Vec<&String> = patch.keys().collect();
    sort::by_key(&mut keys, |key| key.split('.').count());
    for key in keys {
        set(snap, &mut patched, key, &patch[key])?;
    }
    if size(&patched) > MAX_SIZE {
        return Err(ConfigError::TooLarge(snap.to_owned()));
    }
    Ok(patched)
}

/// The document of now with what somebody has changed since `before` of their copy `mine`; where both have changed the
/// same, `mine` counts. Null is nothing.
pub fn merge(before: &Value, mine: &Value, now: &Value) -> Value {
    if mine == before {
        return now.clone();
    }
    let (Value::Object(changed), Value::Object(present)) = (mine, now) else {
        return mine.clone();
    };
    let old = |key: &str| before.get(key).unwrap_or(&Value::Null);
    let mut merged = present.clone();
    for (key, value) in changed {
        let present = present.get(key).unwrap_or(&Value::Null);
        let value = merge(old(key), value, present);
        match value {
            Value::Null => merged.remove(key),
            value => merged.insert(key.clone(), value),
        };
    }
    let gone = before.as_object().into_iter().flat_map(|map| map.keys());
    for key in gone.filter(|key| !changed.contains_key(*key)) {
        merged.remove(key);
    }
    Value::Object(merged)
}

/// What is wrong with a patch whatever the document is: its keys, its size, its depth, keys that contradict each other.
pub fn check(snap: &str, wanted: &Map<String, Value>) -> Result<(), ConfigError> {
    patch(snap, &Value::Null, wanted).map(drop)
}

/// What is wrong with values that are kept together as they are, without keys that are paths: their depth, their size.
pub fn check_bounds(snap: &str, values: &Map<String, Value>) -> Result<(), ConfigError> {
    if let Some((key, _)) = values.iter().find(|(_, value)| 1 + depth(value) > MAX_DEPTH) {
        return Err(ConfigError::TooDeep {
            snap: snap.to_owned(),
            key: key.clone(),
        });
    }
    let sizes = values.iter().map(|(key, value)| key.len() + size(value));
    match sizes.sum::<usize>() > MAX_SIZE {
        true => Err(ConfigError::TooLarge(snap.to_owned())),
        false => Ok(()),
    }
}

/// Every value of a patch that is not a map, by its whole key.
pub fn leaves(patch: &Map<String, Value>) -> Vec<(String, &Value)> {
    fn below<'v>(key: String, value: &'v Value, found: &mut Vec<(String, &'v Value)>) {
        match value {
            Value::Object(map) => {
                for (part, value) in map {
                    below(format!("{key}.{part}"), value, found);
                }
            }
            leaf => found.push((key, leaf)),
        }
    }
    let mut found = Vec::new();
    for (key, value) in patch {
        below(key.clone(), value, &mut found);
    }
    found
}

/// A value without the nulls in its maps.
fn purged(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), purged(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// How many maps and arrays stand in each other.
fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Object(map) => map.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

/// About how many bytes the JSON of a value has; never much fewer.
fn size(value: &Value) -> usize {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| key.len() + 4 + size(value));
            2 + entries.sum::<usize>()
        }
        Value::Array(items) => 2 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
        Value::String(text) => 2 + text.len(),
        Value::Number(number) => number.as_str().len(),
        Value::Bool(_) | Value::Null => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn keys() {
        // contract: v2, section 7; confinement, section 7
        for good in ["a", "a1", "1a", "a-b.c", "pi-config.gpu-mem-256", "0a0"] {
            assert!(parts(good).is_ok(), "{good}");
        }
        let (long, many) = ("a".repeat(2000), ["a"; 40].join("."));
        for (bad, part) in [
            ("Bad_Key", "Bad_Key"),
            ("a..b", ""),
            ("j.k.0", "0"),
            ("", ""),
            ("-a", "-a"),
            ("a-", "a-"),
            ("a--b", "a--b"),
            ("ä", "ä"),
            (&long, &long[..40]),
            (&many, &many[..40]),
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

    fn after(document: &Value, change: &Value) -> Result<Value, String> {
        patch("cf", document, change.as_object().expect("a map")).map_err(|error| error.to_string())
    }

    #[test]
    fn patches() {
        // contract: snaps-and-assertions, section 4
        let document = json!({"a": 1, "d": {"x": 1, "y": 2}});
        let after = |change: Value| after(&document, &change);
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
            after(json!({"d.x": [1, null, {"k": 1}]})),
            Ok(json!({"a": 1, "d": {"x": [1, null, {"k": 1}], "y": 2}}))
        );
        assert_eq!(
            after(json!({"a.b": 1})),
            Err(r#"snap "cf" option "a" is not a map"#.into())
        );
        assert_eq!(
            after(json!({"q": 1, "q.r": 2})),
            Err(r#"snap "cf" option "q" is not a map"#.into())
        );
        assert_eq!(after(json!({"A": 1})), Err(r#"invalid option name: "A""#.into()));
    }

    #[test]
    fn changes_by_two_are_merged() {
        let before = json!({"a": 1, "b": 2, "d": {"x": 1, "y": 1}, "gone": 1});
        let mine = json!({"a": 5, "b": 2, "d": {"x": 2, "y": 1}});
        let now = json!({"a": 1, "b": 7, "d": {"x": 1, "y": 3}, "gone": 1, "new": true});
        assert_eq!(
            merge(&before, &mine, &now),
            json!({"a": 5, "b": 7, "d": {"x": 2, "y": 3}, "new": true})
        );
        assert_eq!(
            merge(&Value::Null, &json!({"a": 1}), &Value::Null),
            json!({"a": 1})
        );
        assert_eq!(merge(&before, &before, &now), now);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        let deepest = MAX_DEPTH - 2;
        assert!(after(&Value::Null, &json!({"a.b": nested(deepest)})).is_ok());
        assert_eq!(
            after(&Value::Null, &json!({"a.b": nested(deepest + 1)})),
            Err("snap \"cf\" option \"a.b\" is nested more than 64 levels deep: make it flatter".into())
        );
        let half = "x".repeat(MAX_SIZE / 2);
        let once = after(&Value::Null, &json!({"a": half})).expect("it fits");
        assert_eq!(
            after(&once, &json!({"b": half})),
            Err("the configuration of snap \"cf\" would be larger than 1048576 bytes: keep large data in files".into())
        );
        assert!(after(&once, &json!({"a": null, "b": half})).is_ok());
    }

    #[test]
    fn errors_show_the_beginning_of_a_long_key() {
        let refused = |key: &str, document: Value, value: Value| {
            after(&document, &json!({ key: value })).expect_err("it is refused")
        };
        let long = "E".repeat(1000);
        let begin = |c: &str, times: usize| c.repeat(times);
        for (key, begins) in [
            (long.clone(), begin("E", 300)),
            (format!("{long}.a"), begin("E", 300)),
            (format!("a.{long}.b"), begin("E", 300)),
            // six characters as it is written there
            ("\u{1b}".repeat(200), begin("\\u{1b}", 50)),
        ] {
            let error = refused(&key, json!({}), json!(1));
            assert_eq!(error, format!("invalid option name: \"{begins}\""));
        }
        let long = "e".repeat(1000);
        let begins = begin("e", 300);
        assert_eq!(
            refused(&format!("{long}.a"), json!({ &long: 1 }), json!(1)),
            format!("snap \"cf\" option \"{begins}\" is not a map")
        );
        let deep = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(
            refused(&long, json!({}), deep),
            format!("snap \"cf\" option \"{begins}\" is nested more than 64 levels deep: make it flatter")
        );
    }

    #[test]
    fn leaves_have_their_whole_key() {
        let patch = json!({"a.b": {"c": 1, "d": {"e": null}}, "f": [2]});
        let found = leaves(patch.as_object().expect("a map"));
        let shown: Vec<String> = found
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(shown, ["a.b.c=1", "a.b.d.e=null", "f=[2]"]);
    }

    #[test]
    fn numbers_keep_their_literals() {
        // contract: snaps-and-assertions, section 4
        let text = r#"{"a":1.50,"b":123456789012345678901234567890,"c":1e+400,"d":-0}"#;
        let patch: Value = serde_json::from_str(text).expect("JSON");
        let kept = after(&Value::Null, &patch).expect("patched");
        assert_eq!(kept.to_string(), text);
        let read: Value = serde_json::from_str(&kept.to_string()).expect("JSON");
        assert_eq!(read, kept);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn patches_of() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("[a-c](\\.[a-c]){0,2}", values(), 0..4)
            .prop_map(|map| map.into_iter().collect())
    }

    fn without_nulls(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.values().all(|value| !value.is_null() && without_nulls(value)),
            _ => true,
        }
    }

    proptest! {
        #[test]
        fn nobody_else_makes_a_merge_a_copy(before in patches_of(), mine in patches_of()) {
            let (Ok(before), Ok(mine)) = (patch("cf", &Value::Null, &before), patch("cf", &Value::Null, &mine)) else {
                return Ok(());
            };
            prop_assert_eq!(merge(&before, &mine, &before), mine);
        }

        #[test]
        fn a_patch_does_what_it_says_and_nothing_else(first in patches_of(), second in patches_of()) {
            let Ok(document) = patch("cf", &Value::Null, &first) else { return Ok(()) };
            let Ok(patched) = patch("cf", &document, &second) else { return Ok(()) };
            prop_assert!(without_nulls(&patched));
            prop_assert_eq!(patch("cf", &patched, &second), Ok(patched.clone()), "twice is once");
            let is_changed_below = |key: &str| second.keys().any(|other| other.starts_with(&format!("{key}.")));
            for (key, value) in &second {
                if !is_changed_below(key) {
                    let wanted = Some(purged(value)).filter(|value| !value.is_null());
                    prop_assert_eq!(get("cf", &patched, key).ok().flatten().cloned(), wanted, "{}", key);
                }
            }
            for key in ["a", "b", "c"] {
                if !second.contains_key(key) && !is_changed_below(key) {
                    prop_assert_eq!(patched.get(key), document.get(key), "{} was not meant", key);
                }
            }
        }
    }
}
