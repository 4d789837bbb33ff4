//! How the document is made: each resource says what its verbs take and answer (its function `described`), the schemas
//! come from the wire types. Only tests run this.

use crate::access::Access;
use crate::api::v2::envelope::{Envelope, ErrorBody, code};
use crate::api::v2::{
    ROUTES, Route, aliases, apps, changes, conf, connections, debug, find, hardware, interfaces, nothing,
    notices, openapi, snap_actions, snapctl, snaps, stream, system, warnings,
};
use crate::domain::ErrorKind;
use axum::http::{Method, StatusCode};
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Writes the schema of a type.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// One verb of one route.
pub struct Operation {
    method: Method,
    path: &'static str,
    summary: &'static str,
    /// What the `{…}` of the path is.
    named: &'static str,
    parameters: Vec<Value>,
    bodies: Vec<(&'static str, Make)>,
    answers: Vec<Answer>,
    fails: Vec<ErrorKind>,
}

/// A way to succeed.
enum Answer {
    /// 200 in the envelope.
    Sync(Make),
    /// 202 with a change.
    Change,
    /// 200 with JSON in no envelope.
    Bare(Make),
    /// Without an envelope: status, media type, schema of the whole and, for a stream, of one record.
    Raw(u16, &'static str, Value, Option<Make>),
}

pub fn get(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::GET, path, summary)
}

pub fn post(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::POST, path, summary)
}

pub fn put(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::PUT, path, summary)
}

fn make<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    fn new(method: Method, path: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            summary,
            named: "",
            parameters: Vec::new(),
            bodies: Vec::new(),
            answers: Vec::new(),
            fails: Vec::new(),
        }
    }

    /// What the named segment of the path is.
    pub fn named(mut self, what: &'static str) -> Self {
        self.named = what;
        self
    }

    fn parameter(mut self, name: &str, schema: Value, about: &str) -> Self {
        let mut parameter = json!({"name": name, "in": "query", "description": about, "schema": schema});
        if schema["type"] == "array" {
            // Commas, or the name again and again.
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
        self.parameters.push(parameter);
        self
    }

    /// A parameter of the query that is one of some words.
    pub fn words(self, name: &str, words: &[&str], about: &str) -> Self {
        self.parameter(name, json!({"type": "string", "enum": words}), about)
    }

    /// A parameter of the query that is any text.
    pub fn text(self, name: &str, about: &str) -> Self {
        self.parameter(name, json!({"type": "string"}), about)
    }

    /// A parameter of the query that is a list.
    pub fn list(self, name: &str, about: &str) -> Self {
        self.parameter(name, json!({"type": "array", "items": {"type": "string"}}), about)
    }

    /// A parameter of the query that is yes or no.
    pub fn flag(self, name: &str, about: &str) -> Self {
        self.parameter(name, json!({"type": "boolean"}), about)
    }

    /// A parameter of the query that is a whole number.
    pub fn number(self, name: &str, least: i64, about: &str) -> Self {
        self.parameter(name, json!({"type": "integer", "minimum": least}), about)
    }

    /// A JSON body.
    pub fn body<T: JsonSchema>(self) -> Self {
        self.body_as::<T>("application/json")
    }

    /// A body of another kind.
    pub fn body_as<T: JsonSchema>(mut self, media: &'static str) -> Self {
        self.bodies.push((media, make::<T>));
        self
    }

    /// It answers 200 with this result.
    pub fn result<T: JsonSchema>(mut self) -> Self {
        self.answers.push(Answer::Sync(make::<T>));
        self
    }

    /// It answers 202 with a change, when there is space to keep it.
    pub fn change(mut self) -> Self {
        self.answers.push(Answer::Change);
        self.fails(&[ErrorKind::InsufficientDiskSpace])
    }

    /// It answers 200 with JSON in no envelope.
    pub fn result_bare<T: JsonSchema>(mut self) -> Self {
        self.answers.push(Answer::Bare(make::<T>));
        self
    }

    /// It answers with bytes of this kind.
    pub fn bytes(mut self, status: u16, media: &'static str) -> Self {
        self.answers.push(Answer::Raw(status, media, json!({}), None));
        self
    }

    /// It answers with records in frames, each `0x1e`, JSON, line feed.
    pub fn records<T: JsonSchema>(mut self) -> Self {
        let media = "application/json-seq";
        let whole = json!({
            "type": "string",
            "description": "Records, each 0x1e, JSON, line feed.",
            "contentMediaType": media,
        });
        self.answers.push(Answer::Raw(200, media, whole, Some(make::<T>)));
        self
    }

    /// It may fail in these ways, besides those that follow from its access and its body.
    pub fn fails(mut self, kinds: &[ErrorKind]) -> Self {
        self.fails.extend_from_slice(kinds);
        self
    }

    fn is(&self, method: &Method, route: &Route) -> bool {
        self.method == *method && self.path == route.path
    }

    /// Everything that can go wrong.
    fn faults(&self, access: Access) -> Vec<ErrorKind> {
        let mut all = self.fails.clone();
        all.push(ErrorKind::Forbidden);
        if matches!(access, Access::Authenticated | Access::AuthenticatedOrSnap) {
            all.push(ErrorKind::Unauthorized);
        }
        if !self.bodies.is_empty() {
            all.extend([ErrorKind::BadRequest, ErrorKind::TooLarge]);
        }
        // A failure of the agent itself or of its disk.
        all.push(ErrorKind::Internal);
        all
    }
}

/// Properties that are times, in every schema of what is written.
const TIMES: &[&str] = &[
    "time",
    "timestamp",
    "spawn-time",
    "ready-time",
    "install-date",
    "first-added",
    "last-added",
    "last-shown",
    "first-occurred",
    "last-occurred",
    "last-repeated",
    "warning-timestamp",
];

/// The schemas of one document: what is read and what is written have different rules about what must be there.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let generator = |contract: Contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            settings.contract = contract;
            settings.into_generator()
        };
        Self {
            read: generator(Contract::Deserialize),
            written: generator(Contract::Serialize),
        }
    }

    fn all(mut self) -> BTreeMap<String, Value> {
        let mut all: BTreeMap<String, Value> = self.read.take_definitions(true).into_iter().collect();
        for (name, mut schema) in self.written.take_definitions(true) {
            mark_times(&mut schema);
            if let Some(other) = all.insert(name.clone(), schema.clone()) {
                assert_eq!(
                    other, schema,
                    "two wire types are called {name}: give one another name by schemars(rename)"
                );
            }
        }
        all
    }
}

fn mark_times(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, property) in properties {
            let is_text = property["type"] == "string" || property["type"] == json!(["string", "null"]);
            if is_text && TIMES.contains(&name.as_str()) {
                property["format"] = json!("date-time");
            }
        }
    }
    for value in map.values_mut() {
        match value {
            Value::Object(_) => mark_times(value),
            Value::Array(items) => items.iter_mut().for_each(mark_times),
            _ => {}
        }
    }
}

/// What every resource says of itself.
pub fn operations() -> Vec<Operation> {
    [
        system::described(),
        changes::described(),
        debug::described(),
        connections::described(),
        interfaces::described(),
        snaps::described(),
        snap_actions::described(),
        find::described(),
        aliases::described(),
        nothing::described(),
        apps::described(),
        conf::described(),
        snapctl::described(),
        warnings::described(),
        notices::described(),
        hardware::described(),
        stream::described(),
        openapi::described(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The verbs of the table that `operations` does not describe, and what it describes that is not in the table.
pub fn strays(operations: &[Operation]) -> Vec<String> {
    let mut strays = Vec::new();
    for route in ROUTES {
        for (method, _) in verbs(route) {
            let found = operations.iter().filter(|one| one.is(&method, route)).count();
            if found != 1 {
                strays.push(format!(
                    "{method} {} is described {found} times: describe it once, in `described` of its resource",
                    route.path
                ));
            }
        }
    }
    for one in operations {
        if !ROUTES
            .iter()
            .any(|route| one.is(&one.method, route) && route.verb(&one.method).is_some())
        {
            strays.push(format!("{} {} is described and not served", one.method, one.path));
        }
    }
    strays
}

fn verbs(route: &Route) -> Vec<(Method, Access)> {
    [Method::GET, Method::POST, Method::PUT]
        .into_iter()
        .filter_map(|method| {
            let access = route.verb(&method)?.access;
            Some((method, access))
        })
        .collect()
}

/// The whole document.
pub fn document(operations: &[Operation]) -> Value {
    let mut schemas = Schemas::new();
    let mut responses = BTreeMap::new();
    let mut paths = Map::new();
    let mut tags = BTreeSet::new();
    for route in ROUTES {
        let mut item = Map::new();
        for (method, access) in verbs(route) {
            let Some(operation) = operations.iter().find(|one| one.is(&method, route)) else {
                continue;
            };
            tags.insert(tag(route.path));
            item.insert(
                method.as_str().to_lowercase(),
                described(operation, access, &mut schemas, &mut responses),
            );
        }
        paths.insert(route.path.to_owned(), item.into());
    }
    let tags: Vec<Value> = tags.into_iter().map(|name| json!({"name": name})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "pinion",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Snaps, pins and LEDs of a Linux board",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "On the unix sockets run/snapd.socket and, for snaps, run/snapd-snap.socket."}],
        "security": [],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "responses": responses,
            "securitySchemes": {
                "cookie": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Snap-Context",
                    "description": "The cookie of a snap, on the socket for snaps.",
                },
            },
        },
    })
}

const ABOUT: &str = "snapd's REST API as this agent serves it, and the board's lines and LEDs. \
Who asks is known by the credentials of the unix socket: `x-access` says who may use an operation. \
Open: everybody on the main socket. Authenticated and root: root, or the agent's own user when that is not root. \
Snap: a snap on the socket for snaps, for its own part. \
A path that is not here answers 404, a verb that is not here 405, both in the error envelope; a path with `//` or dots \
answers 301.";

fn access_word(access: Access) -> &'static str {
    match access {
        Access::Open => "open",
        Access::Authenticated => "authenticated",
        Access::Root => "root",
        Access::SnapOnly => "snap",
        Access::OpenOrSnap => "open-or-snap",
        Access::AuthenticatedOrSnap => "authenticated-or-snap",
        Access::OpenOrPlug(_) => "open-or-plug",
    }
}

fn tag(path: &str) -> String {
    match path.split('/').nth(2) {
        None => String::from("system"),
        Some(segment) => segment.trim_end_matches(".json").to_owned(),
    }
}

fn operation_id(operation: &Operation) -> String {
    let mut words = vec![operation.method.as_str().to_lowercase()];
    let segments = operation
        .path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "v2");
    words.extend(segments.map(|part| {
        part.chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
            .collect()
    }));
    if words.len() == 1 {
        words.push(String::from("root"));
    }
    words.join("-")
}

fn described(
    operation: &Operation,
    access: Access,
    schemas: &mut Schemas,
    responses: &mut BTreeMap<String, Value>,
) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        assert!(
            !operation.named.is_empty(),
            "{}: say what {part} is",
            operation.path
        );
        Some(json!({
            "name": name, "in": "path", "required": true, "description": operation.named,
            "schema": {"type": "string", "minLength": 1},
        }))
    });
    let parameters: Vec<Value> = in_path.chain(operation.parameters.iter().cloned()).collect();
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "x-access": access_word(access),
        "parameters": parameters,
    });
    match access {
        Access::SnapOnly => described["security"] = json!([{"cookie": []}]),
        Access::OpenOrSnap | Access::AuthenticatedOrSnap | Access::OpenOrPlug(_) => {
            described["security"] = json!([{}, {"cookie": []}])
        }
        Access::Open | Access::Authenticated | Access::Root => {}
    }
    if !operation.bodies.is_empty() {
        let content: Map<String, Value> = operation
            .bodies
            .iter()
            .map(|(media, make)| {
                let schema = make(&mut schemas.read);
                ((*media).to_owned(), json!({ "schema": schema }))
            })
            .collect();
        described["requestBody"] = json!({"required": true, "content": content});
    }
    described["responses"] = answers(operation, access, schemas, responses).into();
    described
}

/// Every status, successes first.
fn answers(
    operation: &Operation,
    access: Access,
    schemas: &mut Schemas,
    responses: &mut BTreeMap<String, Value>,
) -> Map<String, Value> {
    let mut all = Map::new();
    for answer in &operation.answers {
        let (status, media, schema, record) = match answer {
            Answer::Sync(make) => {
                let result = make(&mut schemas.written);
                let parts =
                    json!({"type": {"const": "sync"}, "status-code": {"const": 200}, "result": result});
                (200, "application/json", framed(&parts, &[], schemas), None)
            }
            Answer::Change => {
                let parts = json!({"type": {"const": "async"}, "status-code": {"const": 202}, "result": {"type": "null"}});
                (
                    202,
                    "application/json",
                    framed(&parts, &["change"], schemas),
                    None,
                )
            }
            Answer::Bare(make) => (
                200,
                "application/json",
                make(&mut schemas.written).to_value(),
                None,
            ),
            Answer::Raw(status, media, schema, record) => (
                *status,
                *media,
                schema.clone(),
                record.map(|make| make(&mut schemas.written)),
            ),
        };
        let entry = all
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": reason(status), "content": {}}));
        entry["content"][media] = json!({ "schema": schema });
        if let Some(record) = record {
            entry["content"][media]["schema"]["contentSchema"] = record.to_value();
        }
    }
    let mut failures: BTreeMap<u16, BTreeSet<Option<&str>>> = BTreeMap::new();
    for kind in operation.faults(access) {
        let (status, name) = code(kind);
        failures.entry(status.as_u16()).or_default().insert(name);
    }
    for (status, kinds) in failures {
        let name = failure_name(status, &kinds);
        let content = responses
            .entry(name.clone())
            .or_insert_with(|| failure(status, &kinds, schemas));
        match all.get_mut(&status.to_string()) {
            // snapctl says no with status 200.
            Some(success) => {
                let media = &mut success["content"]["application/json"];
                let refused = &content["content"]["application/json"]["schema"];
                media["schema"] = json!({"oneOf": [media["schema"].clone(), refused.clone()]});
                responses.remove(&name);
            }
            None => {
                let reference = format!("#/components/responses/{name}");
                all.insert(status.to_string(), json!({ "$ref": reference }));
            }
        }
    }
    all
}

/// An answer in the envelope.
fn framed(properties: &Value, required: &[&str], schemas: &mut Schemas) -> Value {
    let envelope = make::<Envelope<'_, Value>>(&mut schemas.written);
    let mut own = json!({ "properties": properties });
    if !required.is_empty() {
        own["required"] = json!(required);
    }
    json!({"allOf": [envelope, own]})
}

fn reason(status: u16) -> String {
    let status = StatusCode::from_u16(status).ok();
    status
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
        .to_owned()
}

fn failure_name(status: u16, kinds: &BTreeSet<Option<&str>>) -> String {
    let words = kinds.iter().map(|kind| kind.unwrap_or("plain"));
    format!("{status}-{}", words.collect::<Vec<_>>().join("-"))
}

fn failure(status: u16, kinds: &BTreeSet<Option<&str>>, schemas: &mut Schemas) -> Value {
    let error = make::<ErrorBody>(&mut schemas.written);
    let names: Vec<&str> = kinds.iter().copied().flatten().collect();
    let plain = kinds.contains(&None);
    let rule = match (names.is_empty(), plain) {
        (true, _) => json!({"not": {"required": ["kind"]}}),
        (false, true) => json!({"properties": {"kind": {"enum": names}}}),
        (false, false) => json!({"properties": {"kind": {"enum": names}}, "required": ["kind"]}),
    };
    let parts = json!({
        "type": {"const": "error"},
        "status-code": {"const": status},
        "result": {"allOf": [error, rule]},
    });
    let schema = framed(&parts, &[], schemas);
    let told = match names.is_empty() {
        true => String::new(),
        false => format!(": {}", names.join(", ")),
    };
    json!({
        "description": format!("{}{told}", reason(status)),
        "content": {"application/json": {"schema": schema}},
    })
}
