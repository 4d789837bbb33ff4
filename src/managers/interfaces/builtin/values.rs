//! Reading attributes: what is missing and what is of the wrong type, said in one way.

use crate::domain::snap::EndInfo;
use serde_json::Value;

/// An attribute that must be there and be a text that is not empty.
pub fn text<'a>(end: &'a EndInfo, side: &str, name: &str) -> Result<&'a str, String> {
    match end.attrs.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(Value::String(_)) | None => {
            Err(format!("{} {side} must have a {name} attribute", end.interface))
        }
        Some(_) => Err(format!(
            "{} {side} {name} attribute must be a string",
            end.interface
        )),
    }
}

/// An attribute that must be there and be a whole number.
pub fn integer(end: &EndInfo, side: &str, name: &str) -> Result<i64, String> {
    match end.attrs.get(name) {
        None => Err(format!("{} {side} must have a {name} attribute", end.interface)),
        Some(value) => value.as_i64().ok_or(format!(
            "{} {side} {name} attribute must be an int",
            end.interface
        )),
    }
}

/// An attribute that may be missing and must else be true or false.
pub fn flag(end: &EndInfo, side: &str, name: &str) -> Result<bool, String> {
    match end.attrs.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("{} {side} requires bool with '{name}'", end.interface)),
    }
}

/// An attribute that may be missing and must else be a list of texts.
pub fn texts(end: &EndInfo, name: &str) -> Result<Vec<String>, String> {
    match end.attrs.get(name) {
        None => Ok(Vec::new()),
        Some(value) => strings(value).ok_or(format!("{name:?} attribute must be a list of strings")),
    }
}

/// A list of texts.
pub fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Gives an attribute the end's own name when it is missing; it must be a text.
pub fn default_to_name(end: &mut EndInfo, attribute: &str) -> Result<(), String> {
    match end.attrs.get(attribute) {
        None => {
            let name = end.name.clone();
            end.attrs.insert(attribute.to_owned(), Value::String(name));
            Ok(())
        }
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(_) => Err(format!(
            "{} attribute {attribute:?} must be a string",
            end.interface
        )),
    }
}
