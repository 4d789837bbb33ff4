//! Every answer that a test gets is held against the description of the API: its status, its media type, its form.

use super::http::Answer;
use serde_json::Value;
use std::sync::LazyLock;

static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../src/api/v2/openapi.json")).unwrap());

/// Why the description does not allow this answer; `None` when it does.
pub fn complaint(method: &str, target: &str, answer: &Answer) -> Option<String> {
    // A path that is not clean is redirected wherever it leads.
    if answer.status == 301 {
        return None;
    }
    let path = target.split('?').next().unwrap_or_default();
    let Some((template, item)) = route(path) else {
        return (answer.status != 404).then(|| String::from("it is not in the description"));
    };
    let Some(operation) = item.get(method.to_lowercase()) else {
        return (answer.status != 405).then(|| format!("{template} has no such verb in the description"));
    };
    let Some(response) = operation["responses"].get(answer.status.to_string()) else {
        return Some(format!(
            "status {} is not described for {template}",
            answer.status
        ));
    };
    let content = &resolved(response)["content"];
    let kind = answer.header("content-type").unwrap_or_default();
    let Some(media) = content.get(kind) else {
        return Some(format!("{kind:?} is not described for {template}"));
    };
    let is_json = kind == "application/json" && !answer.bytes.is_empty();
    let wrong = is_json
        .then(|| offence(&media["schema"], &answer.body, ""))
        .flatten();
    wrong.map(|wrong| format!("{wrong} (as described for {template}, {})", answer.status))
}

/// The path of the description that a path is of; one without parameters comes first.
fn route(path: &str) -> Option<(&'static str, &'static Value)> {
    let paths = DESCRIPTION["paths"].as_object()?;
    let fits = |template: &str| {
        let (mut one, mut two) = (template.split('/'), path.split('/'));
        loop {
            match (one.next(), two.next()) {
                (None, None) => return true,
                (Some(part), Some(given)) if part == given => {}
                (Some(part), Some(given)) if part.starts_with('{') && !given.is_empty() => {}
                _ => return false,
            }
        }
    };
    paths
        .iter()
        .filter(|(template, _)| fits(template))
        .min_by_key(|(template, _)| template.matches('{').count())
        .map(|(template, item)| (template.as_str(), item))
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DESCRIPTION.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Where a value is not as its schema says: the words of JSON Schema that the description uses.
fn offence(schema: &'static Value, value: &Value, at: &str) -> Option<String> {
    let schema = match schema {
        Value::Bool(true) => return None,
        Value::Bool(false) => return Some(format!("{at} should not be there")),
        _ => schema,
    };
    if schema.get("$ref").is_some() {
        return offence(resolved(schema), value, at);
    }
    let list = |word: &str| schema[word].as_array().into_iter().flatten();
    let fits = |part: &&'static Value| offence(part, value, at).is_none();
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        return Some(format!("{at} is {value}, not {constant}"));
    }
    if schema.get("enum").is_some() && !list("enum").any(|one| one == value) {
        return Some(format!("{at} is {value}, which is none of {}", schema["enum"]));
    }
    if let Some(wanted) = schema.get("type")
        && !is_type(wanted, value)
    {
        return Some(format!("{at} is {value}, not of type {wanted}"));
    }
    if let Some(not) = schema.get("not")
        && offence(not, value, at).is_none()
    {
        return Some(format!("{at} is {value}, which should not fit {not}"));
    }
    if schema.get("oneOf").is_some() && list("oneOf").filter(fits).count() != 1 {
        return Some(format!("{at} is not just one of its forms: {value}"));
    }
    if schema.get("anyOf").is_some() && !list("anyOf").any(|part| fits(&part)) {
        return Some(format!("{at} is none of its forms: {value}"));
    }
    list("allOf")
        .find_map(|part| offence(part, value, at))
        .or_else(|| in_object(schema, value, at))
        .or_else(|| in_list(schema, value, at))
}

fn is_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match wanted {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        name => name.as_str().is_some_and(is),
    }
}

fn in_object(schema: &'static Value, value: &Value, at: &str) -> Option<String> {
    let object = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !object.contains_key(name) {
            return Some(format!("{at} has no {name:?}: {value}"));
        }
    }
    object.iter().find_map(|(name, inner)| {
        let property = schema["properties"].get(name);
        let rule = property.or_else(|| schema.get("additionalProperties"))?;
        offence(rule, inner, &format!("{at}/{name}"))
    })
}

fn in_list(schema: &'static Value, value: &Value, at: &str) -> Option<String> {
    let items = value.as_array()?;
    let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
    if items.len() as u64 > most || (items.len() as u64) < schema["minItems"].as_u64().unwrap_or(0) {
        return Some(format!("{at} has {} items", items.len()));
    }
    let rule = schema.get("items")?;
    let mut numbered = items.iter().enumerate();
    numbered.find_map(|(index, item)| offence(rule, item, &format!("{at}/{index}")))
}

/// What the check is good for: it must see what is not as described.
#[test]
fn answers_that_are_not_described_are_seen() {
    let error = |status: u16, result: Value| {
        let body =
            serde_json::json!({"type": "error", "status-code": status, "status": "", "result": result});
        Answer {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            bytes: body.to_string().into_bytes(),
            body,
        }
    };
    let fault = |status, kind: &str| error(status, serde_json::json!({"message": "m", "kind": kind}));
    let said = |method, path, answer: &Answer| complaint(method, path, answer);
    assert_eq!(said("GET", "/v2/snaps/x", &fault(404, "snap-not-found")), None);
    let wrong = [
        ("GET", "/v2/snaps/x", fault(404, "app-not-found")),
        ("GET", "/v2/snaps/x", fault(418, "snap-not-found")),
        ("GET", "/v2/nosuch", fault(400, "snap-not-found")),
        ("PUT", "/v2/snaps", fault(400, "snap-not-found")),
        (
            "GET",
            "/v2/snaps/x",
            error(404, serde_json::json!({"kind": "snap-not-found"})),
        ),
        (
            "GET",
            "/v2/snaps/x",
            error(404, serde_json::json!({"message": "m"})),
        ),
    ];
    for (method, path, answer) in wrong {
        assert!(
            said(method, path, &answer).is_some(),
            "{method} {path}: {answer:?}"
        );
    }
    let mut other = fault(404, "snap-not-found");
    other.headers[0].1 = "text/plain".into();
    assert!(said("GET", "/v2/snaps/x", &other).is_some());
}
