//! What comes in from outside: the locked tree against `.deny.toml`, without needing cargo-deny.

use serde::Deserialize;
use std::path::Path;
use std::process::Command;

#[derive(Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Tree {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

fn tree() -> Tree {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn policy() -> Policy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".deny.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What of `policy` the package offends, as one sentence each.
fn offences(policy: &Policy, package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(ban) = policy.bans.deny.iter().find(|ban| ban.name == package.name) {
        found.push(format!("is banned: {}", ban.reason));
    }
    match &package.license {
        None => found.push("names no license".into()),
        Some(license) if !is_allowed(license, &policy.licenses.allow) => {
            found.push(format!("has the license {license}, which is not in the list"));
        }
        Some(_) => {}
    }
    if let Some(source) = &package.source {
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !policy
            .sources
            .allow_registry
            .iter()
            .any(|allowed| allowed == registry)
        {
            found.push(format!("comes from {source}"));
        }
    }
    found
}

/// An SPDX expression: true if one of its alternatives needs allowed licenses only.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = alternatives(&words, &mut at, allowed);
    value && at == words.len()
}

fn alternatives(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut value = conjunction(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= conjunction(words, at, allowed);
    }
    value
}

fn conjunction(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut value = license(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= license(words, at, allowed);
    }
    value
}

fn license(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let value = alternatives(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return value && closed;
    }
    let mut name = (*word).to_owned();
    if let (Some(&"WITH"), Some(exception)) = (words.get(*at), words.get(*at + 1)) {
        name = format!("{name} WITH {exception}");
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn the_locked_tree_follows_the_policy() {
    let (policy, tree) = (policy(), tree());
    assert!(tree.packages.len() > 50, "the tree was not read");
    let found: Vec<String> = tree
        .packages
        .iter()
        .flat_map(|package| {
            offences(&policy, package)
                .into_iter()
                .map(move |offence| format!("{} {} {offence}", package.name, package.version))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_offence_is_seen() {
    let package = |name: &str, license: &str, source: &str| Package {
        name: name.into(),
        version: "1.0.0".into(),
        license: Some(license.into()),
        source: Some(source.into()),
    };
    let policy = policy();
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let fine = [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND BSD-3-Clause",
        "Apache-2.0 WITH LLVM-exception",
    ];
    for license in fine {
        assert_eq!(
            offences(&policy, &package("fine", license, registry)),
            [""; 0],
            "{license}"
        );
    }
    for license in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0",
        "(MIT OR Apache-2.0",
        "MIT WITH nothing",
        "",
    ] {
        assert_eq!(
            offences(&policy, &package("other", license, registry)).len(),
            1,
            "{license}"
        );
    }
    assert_eq!(
        offences(&policy, &package("serde_yaml", "MIT", registry)).len(),
        1
    );
    assert_eq!(
        offences(&policy, &package("fork", "MIT", "git+https://example.com/fork")).len(),
        1
    );
}
