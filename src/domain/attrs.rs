//! Attributes of plugs and slots: YAML values kept as JSON values (strings, integers, booleans, lists, maps).

use serde_json::{Map, Value};

/// The attributes of one plug or slot, by name.
pub type Attrs = Map<String, Value>;

/// Static attributes with the dynamic ones laid over them; a dynamic one never replaces a static one
/// (contract: hooks may only add names that are not there).
pub fn merged(fixed: &Attrs, dynamic: &Attrs) -> Attrs {
    let mut all = dynamic.clone();
    for (name, value) in fixed {
        all.insert(name.clone(), value.clone());
    }
    all
}
