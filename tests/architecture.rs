//! The house rules, held against the source (invariants 1, 2 and 5 of the crate documentation).
//!
//! Every path that starts with `crate::`, `pinion::`, `super::` or `self::` is read from the token stream, grouped
//! imports and inline uses included, resolved to the room that it reaches, and held against the list below. The test
//! also plants violations in a copy of the source and sees itself turn red. Test modules are exempt: they may set up
//! what they need.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic, too

#[path = "architecture/tokens.rs"]
mod tokens;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tokens::{Reach, read};

/// Which rooms a room may name. A room that is not listed may name nothing.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("drivers", &["domain"]),
    ("events", &["domain"]),
    ("config", &["domain"]),
    ("store", &["domain", "drivers", "events"]),
    ("engine", &["domain", "store", "drivers", "events"]),
    ("confine", &["domain", "drivers", "events"]),
    (
        "managers",
        &[
            "domain", "store", "engine", "events", "drivers", "config", "confine",
        ],
    ),
    ("access", &["domain", "store"]),
    ("api", &["domain", "managers", "access", "events"]),
    ("client", &["domain"]),
    ("cli", &["client", "domain"]),
    (
        "app",
        &[
            "domain", "drivers", "events", "config", "store", "engine", "confine", "managers", "access",
            "api", "client",
        ],
    ),
    ("main", &["app", "cli", "confine", "managers", "config", "domain"]),
];

/// Which sibling managers a manager may name, by their face only.
const MANAGERS: &[(&str, &[&str])] = &[
    ("snaps", &["interfaces", "services", "settings"]),
    ("interfaces", &["hardware", "services"]),
    ("services", &["hardware"]),
    ("settings", &["interfaces", "services", "hardware"]),
    ("hardware", &[]),
    ("system", &[]),
    ("changes", EVERY_MANAGER),
    ("reconcile", EVERY_MANAGER),
];

/// `Managers` is the struct of all of them.
const EVERY_MANAGER: &[&str] = &[
    "Managers",
    "changes",
    "hardware",
    "interfaces",
    "services",
    "settings",
    "snaps",
    "system",
];

/// Outside crates that only some rooms may name.
const CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("axum", &["api", "app"]),
    ("http", &["api", "app", "client"]),
    ("hyper", &["api", "app", "client"]),
    ("hyper_util", &["api", "app", "client"]),
    ("http_body_util", &["api", "app", "client"]),
    ("gpio_cdev", &["drivers"]),
    ("backhand", &["drivers", "managers"]),
];

/// The rooms that may hold unsafe code.
const UNSAFE: &[&str] = &["drivers", "confine"];

/// A file longer than this is reported, not refused.
const LONG_FILE: usize = 600;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a folder, sorted.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The module that a file is: `src/managers/snaps/yaml.rs` is `managers, snaps, yaml`.
fn module_of(root: &Path, file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root).unwrap().with_extension("");
    let mut parts: Vec<String> = relative
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

fn allowed(table: &'static [(&str, &[&str])], name: &str) -> &'static [&'static str] {
    table.iter().find(|row| row.0 == name).map_or(&[], |row| row.1)
}

/// Everything in the source below `root` that breaks a rule, one line each.
fn violations(root: &Path) -> Vec<String> {
    let files = files(root);
    files.iter().flat_map(|file| judge_file(root, file)).collect()
}

fn judge_file(root: &Path, file: &Path) -> Vec<String> {
    let module = module_of(root, file);
    let name = file.strip_prefix(root).unwrap().display();
    // lib.rs only lists the rooms.
    let Some(room) = module.first() else {
        return Vec::new();
    };
    if module.iter().any(|part| part == "tests") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for Reach { line, what } in read(&fs::read_to_string(file).unwrap(), &module) {
        let reason = match &what {
            tokens::What::Path(path) => judge_path(root, room, &module, path),
            tokens::What::Word(word) => judge_word(room, word),
            tokens::What::Alias => Some("renames the crate, which hides what it reaches".to_owned()),
            tokens::What::SerializedView(view) if room == "managers" => Some(format!(
                "{view} derives Serialize: a manager's view has no wire form"
            )),
            tokens::What::SerializedView(_) => None,
        };
        if let Some(reason) = reason {
            found.push(format!("src/{name}:{line}: {reason}"));
        }
    }
    found
}

fn judge_word(room: &str, word: &str) -> Option<String> {
    if word == "unsafe" || word == "unsafe_code" {
        return (!UNSAFE.contains(&room)).then(|| format!("unsafe code in {room}"));
    }
    let rooms = allowed(CRATES, word);
    (!rooms.is_empty() && !rooms.contains(&room)).then(|| format!("{room} names the crate {word}"))
}

fn judge_path(root: &Path, room: &str, module: &[String], path: &[String]) -> Option<String> {
    let shown = path.join("::");
    let Some(target) = path.first().filter(|first| *first != "*") else {
        return Some("reaches for the whole crate".to_owned());
    };
    if !root.join(target).is_dir() && !root.join(format!("{target}.rs")).is_file() {
        return None; // a macro or item of the crate's root
    }
    if target != room {
        let listed = allowed(ROOMS, room).contains(&target.as_str());
        return (!listed).then(|| format!("{room} -> {target} is not a listed edge ({shown})"));
    }
    if room != "managers" || module.len() < 2 {
        return None;
    }
    let Some(sibling) = path.get(1).filter(|second| *second != "*") else {
        return Some(format!("{} reaches for all managers ({shown})", module[1]));
    };
    if *sibling == module[1] {
        return None;
    }
    if !allowed(MANAGERS, &module[1]).contains(&sibling.as_str()) {
        return Some(format!(
            "managers: {} -> {sibling} is not a listed edge ({shown})",
            module[1]
        ));
    }
    // Below the face: a module of the sibling, and something in it.
    let inner = path.get(2)?;
    let folder = root.join("managers").join(sibling);
    let is_module = folder.join(inner).is_dir() || folder.join(format!("{inner}.rs")).is_file();
    (is_module && path.len() > 3).then(|| format!("reaches behind the face of {sibling} ({shown})"))
}

#[test]
fn edges_are_the_listed_ones() {
    let found = violations(&source());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_room_and_manager_is_listed() {
    let names = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "rs"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| !["lib", "mod", "build", "docs"].contains(&name.as_str()))
            .collect()
    };
    let unlisted = |folder: &Path, table: &[(&str, &[&str])]| -> Vec<String> {
        names(folder)
            .into_iter()
            .filter(|name| !table.iter().any(|row| row.0 == name))
            .collect()
    };
    assert_eq!(unlisted(&source(), ROOMS), Vec::<String>::new());
    assert_eq!(
        unlisted(&source().join("managers"), MANAGERS),
        Vec::<String>::new()
    );
}

#[test]
fn planted_violations_are_seen() {
    let plants: &[(&str, &str, &str)] = &[
        ("domain/names.rs", "use crate::store::World;", "domain -> store"),
        (
            "api/mod.rs",
            "use crate::{domain::Fault, engine::Engine};",
            "api -> engine",
        ),
        (
            "api/mod.rs",
            "fn f() { let _ = crate :: drivers\n  ::fs::read(\"x\"); }",
            "api -> drivers",
        ),
        ("store/mod.rs", "use super::engine::Engine;", "store -> engine"),
        (
            "drivers/fs.rs",
            "fn f() { super::super::store::open() }",
            "drivers -> store",
        ),
        (
            "client/mod.rs",
            "use pinion::managers::Managers;",
            "client -> managers",
        ),
        (
            "cli/mod.rs",
            "mod inner { use super::super::api::routes; }",
            "cli -> api",
        ),
        ("engine/mod.rs", "use crate as everything;", "renames the crate"),
        ("engine/mod.rs", "use crate::*;", "the whole crate"),
        (
            "managers/hardware/mod.rs",
            "use crate::managers::snaps::Snaps;",
            "hardware -> snaps",
        ),
        (
            "managers/hardware/mod.rs",
            "use super::services::Services;",
            "hardware -> services",
        ),
        (
            "managers/services/mod.rs",
            "use crate::managers as all;",
            "reaches for all managers",
        ),
        (
            "managers/settings/mod.rs",
            "use crate::managers::interfaces::inner::check;",
            "behind the face",
        ),
        ("managers/mod.rs", "fn f() { rusqlite::open() }", "crate rusqlite"),
        ("managers/mod.rs", "use axum::Router;", "crate axum"),
        ("access/mod.rs", "fn f() { unsafe { g() } }", "unsafe code"),
        (
            "managers/mod.rs",
            "#[derive(Debug, serde::Serialize)]\npub struct LineView { x: u8 }",
            "no wire form",
        ),
    ];
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&source(), copy.path());
    fs::write(copy.path().join("managers/interfaces/inner.rs"), "").unwrap();
    for (file, text, expected) in plants {
        let path = copy.path().join(file);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}\n{text}\n")).unwrap();
        let found = judge_file(copy.path(), &path);
        fs::write(&path, whole).unwrap();
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "planted {text:?} in {file}, expected {expected:?}, found {found:?}"
        );
    }
    // … and in a whole tree, too.
    let path = copy.path().join("domain/names.rs");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}\nuse crate::api::server;\n")).unwrap();
    assert_eq!(violations(copy.path()).len(), 1);
}

#[test]
fn comments_strings_and_tests_are_not_edges() {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&source(), copy.path());
    let path = copy.path().join("domain/names.rs");
    let harmless = r##"
//! [`crate::store::World`]
/* use crate::api; /* nested */ use crate::engine; */
fn f<'a>(x: &'a str) -> char { let _ = "crate::api"; let _ = r#"use "crate::cli";"#; let _ = b"crate::api"; '"' }
#[cfg(test)]
mod more { use crate::store::World; }
"##;
    let before = violations(copy.path());
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}\n{harmless}\n")).unwrap();
    assert_eq!(violations(copy.path()), before);
}

#[test]
fn long_files_are_reported() {
    for file in files(&source()) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        if lines > LONG_FILE {
            println!("{} has {lines} lines", file.display());
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, &target).unwrap();
    }
}
