use super::redact::{Secrets, setting, without_hook};
use super::tar::Archive;
use crate::domain::Timestamp;
use crate::store::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn world(config: Value) -> World {
    let name = "some-snap".parse().expect("a name");
    World {
        config: Arc::new(BTreeMap::from([(name, Arc::new(config))])),
        cookies: Arc::new(BTreeMap::from([(
            String::from("the-cookie"),
            "some-snap".parse().expect("a name"),
        )])),
        ..World::default()
    }
}

#[test]
fn values_are_taken_out_wherever_they_stand() {
    let config =
        json!({"a": "lemon", "ab": "lemonade", "n": 123_456, "b": true, "in": {"deep": ["first\nsecond"]}});
    let secrets = Secrets::of(&world(config.clone()), false);
    let text = "lemonade and lemon of the-cookie, 123456 first, second";
    assert_eq!(secrets.hidden(text), "*** and *** of ***, *** ***, ***");
    assert_eq!(
        secrets.masked("", &config),
        json!({"a": "***", "ab": "***", "n": "***", "b": "***", "in": {"deep": ["***"]}})
    );
}

#[test]
fn what_is_called_secret_stays_hidden_when_values_are_asked_for() {
    let config = json!({"port": 8080, "db": {"Password": "pass-phrase", "host": "front"}, "tokens": {"one": "deep-one"}});
    let secrets = Secrets::of(&world(config.clone()), true);
    assert_eq!(secrets.hidden("pass-phrase deep-one front"), "*** *** front");
    assert_eq!(
        secrets.masked("", &config),
        json!({"port": 8080, "db": {"Password": "***", "host": "front"}, "tokens": {"one": "***"}})
    );
    assert_eq!(setting("api-key = \"x\""), "api-key = \"***\"");
    assert_eq!(setting("name = \"sim\""), "name = \"sim\"");
}

#[test]
fn a_hooks_output_ends_a_message() {
    let said = "T ERROR run hook \"install\": \n-----\nout\n-----";
    assert_eq!(
        without_hook(said),
        "T ERROR run hook \"install\": (what it printed is left out)"
    );
    assert_eq!(without_hook("T ERROR no such file"), "T ERROR no such file");
}

#[test]
fn an_archive_is_read_by_tar() {
    let mut archive = Archive::new("folder", Timestamp(1_500_000_000_000_000_000));
    let long = vec![b'x'; 1000];
    archive.add("a.txt", b"hello\n");
    archive.add("in/b.txt", &long);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.tar");
    std::fs::write(&path, archive.finish()).expect("a file");
    let done = std::process::Command::new("tar")
        .arg("-xf")
        .arg(&path)
        .current_dir(dir.path())
        .status();
    assert!(done.expect("tar").success());
    let read = |name: &str| std::fs::read(dir.path().join("folder").join(name)).expect(name);
    assert_eq!((read("a.txt"), read("in/b.txt")), (b"hello\n".to_vec(), long));
}
