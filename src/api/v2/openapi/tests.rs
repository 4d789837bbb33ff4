use super::describe::{document, operations, strays};
use super::unpacked;
use crate::api::v2::envelope;
use crate::domain::ErrorKind;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Where the document stands.
fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/v2/openapi.json")
}

#[test]
fn every_route_is_described() {
    let strays = strays(&operations());
    assert!(strays.is_empty(), "\n{}", strays.join("\n"));
}

#[test]
fn the_document_is_what_the_code_says() {
    let made = document(&operations());
    let mut text = serde_json::to_string_pretty(&made).expect("a document");
    text.push('\n');
    if std::env::var_os("PINION_BLESS").is_some() {
        std::fs::write(file(), &text).expect("a file");
        return;
    }
    let kept = std::fs::read_to_string(file()).expect("the document");
    assert!(
        kept == text,
        "src/api/v2/openapi.json is not what the code says any more: \
         run the tests of api::v2::openapi with PINION_BLESS=1, and look at the difference"
    );
}

#[test]
fn what_is_served_is_the_document() {
    if std::env::var_os("PINION_BLESS").is_some() {
        return; // what is packed is still the old one
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(file()).expect("the document")).expect("JSON");
    let served: Value = serde_json::from_slice(&unpacked().expect("unpacked")).expect("JSON");
    assert_eq!(served, kept);
}

/// Every kind of error, from the type itself, so that a new one cannot be forgotten.
fn kinds() -> Vec<ErrorKind> {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<ErrorKind>();
    let schema = schema.as_value();
    let plain = schema["enum"].as_array().into_iter().flatten();
    let told = schema["oneOf"].as_array().into_iter().flatten();
    let nested = told.clone().filter_map(|one| one["enum"].as_array()).flatten();
    plain
        .chain(nested)
        .chain(told.clone().filter_map(|one| one.get("const")))
        .map(|name| serde_json::from_value(name.clone()).expect("a kind"))
        .collect()
}

#[test]
fn every_kind_of_error_can_happen_somewhere() {
    let text = document(&operations()).to_string();
    let kinds = kinds();
    assert!(kinds.len() > 25, "{kinds:?}");
    let names: BTreeSet<&str> = kinds.iter().filter_map(|kind| envelope::code(*kind).1).collect();
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !text.contains(&format!("\"{name}\"")))
        .collect();
    assert_eq!(
        missing,
        Vec::<&str>::new(),
        "no operation is described to fail in these ways"
    );
}
