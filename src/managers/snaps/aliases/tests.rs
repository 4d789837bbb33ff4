//! Rules of aliases as tables (contract: snaps-and-assertions, section 4; v2, Aliases).

use super::rules::*;
use crate::domain::{AliasTarget, Aliases, SnapInfo, SnapName, SnapRecord};
use crate::managers::snaps::yaml;
use crate::store::World;
use std::collections::BTreeMap;
use std::sync::Arc;

fn info(name: &str, apps: &[&str]) -> SnapInfo {
    let mut text = format!(
        "name: {name}\nversion: '1'\nbase: bare\napps:\n  served: {{command: bin/x, daemon: simple}}\n"
    );
    for app in apps {
        text.push_str(&format!("  {app}: {{command: bin/x}}\n"));
    }
    yaml::parse_snap_yaml(text.as_bytes()).expect("valid")
}

/// `alias=app` is a manual one, `alias~app` an automatic one, `alias~app=other` both.
fn aliases(words: &[&str], auto_disabled: bool) -> Aliases {
    let targets = words.iter().map(|word| {
        let (rest, manual) = match word.split_once('=') {
            Some((rest, app)) => (rest, Some(app.to_owned())),
            None => (*word, None),
        };
        let (alias, auto) = match rest.split_once('~') {
            Some((alias, app)) => (alias, Some(app.to_owned())),
            None => (rest, None),
        };
        (alias.to_owned(), AliasTarget { manual, auto })
    });
    Aliases {
        targets: targets.collect(),
        auto_disabled,
    }
}

fn world(snaps: &[(&str, Aliases)]) -> World {
    let mut world = World::default();
    for (name, aliases) in snaps {
        let text = format!("{{\"name\":{name:?},\"active\":true,\"current\":\"x1\",\"sequence\":[]}}");
        let mut record: SnapRecord = serde_json::from_str(&text).expect("a record");
        record.aliases = aliases.clone();
        Arc::make_mut(&mut world.snaps).insert(record.name.clone(), Arc::new(record));
    }
    world
}

fn name(text: &str) -> SnapName {
    SnapName::new(text).expect("a name")
}

#[test]
fn the_manual_one_goes_before_the_automatic_one() {
    /// What is recorded, whether automatic ones are off, and what is in force: alias and app.
    type Case<'a> = (&'a str, bool, &'a [(&'a str, &'a str)]);
    let table: [Case<'_>; 6] = [
        ("a=one", false, &[("a", "one")]),
        ("a~one", false, &[("a", "one")]),
        ("a~one=two", false, &[("a", "two")]),
        ("a~one=two", true, &[("a", "two")]),
        ("a~one", true, &[]),
        ("a=one", true, &[("a", "one")]),
    ];
    for (word, auto_disabled, expected) in table {
        let aliases = aliases(&[word], auto_disabled);
        assert_eq!(
            aliases.in_force().collect::<Vec<_>>(),
            expected,
            "{word} {auto_disabled}"
        );
    }
}

#[test]
fn an_operator_gives_and_takes() {
    let info = info("tool", &["one", "two"]);
    let empty = Aliases::default();
    assert_eq!(
        with_manual(&info, &empty, "one", "a"),
        Ok(aliases(&["a=one"], false))
    );
    // an automatic one stays beneath, and another app takes over
    assert_eq!(
        with_manual(&info, &aliases(&["a~one", "b=one"], true), "two", "a"),
        Ok(aliases(&["a~one=two", "b=one"], true))
    );
    for (app, why) in [("none", "does not exist"), ("served", "is a daemon")] {
        let text = format!("cannot enable alias \"a\" for \"tool\", target application {app:?} {why}");
        assert_eq!(with_manual(&info, &empty, app, "a"), Err(text));
    }
    assert_eq!(
        without_manual(&aliases(&["a~one=two", "b=one"], false), "b"),
        Ok(aliases(&["a~one=two"], false))
    );
    assert_eq!(
        without_manual(&aliases(&["a~one=two"], false), "a"),
        Ok(aliases(&["a~one"], false))
    );
    assert!(without_manual(&aliases(&["a~one"], false), "a").is_err());
    assert_eq!(
        disabled(&aliases(&["a~one=two", "b=one", "c~one"], false)),
        aliases(&["a~one", "c~one"], true)
    );
}

#[test]
fn a_revision_keeps_aliases_of_apps_that_it_has() {
    let declared = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(alias, app)| ((*alias).to_owned(), (*app).to_owned()));
        owned.collect()
    };
    let info = info("tool", &["one"]);
    let had = aliases(&["a=one", "b=two", "c~one", "d~one=served"], true);
    assert_eq!(refreshed(&info, &had, &declared(&[])), aliases(&["a=one"], true));
    assert_eq!(
        refreshed(
            &info,
            &had,
            &declared(&[("a", "one"), ("e", "one"), ("f", "two"), ("g", "served")])
        ),
        aliases(&["a~one=one", "e~one"], true)
    );
}

#[test]
fn names_that_are_taken_are_refused_with_both_sides() {
    let world = world(&[
        ("tool", Aliases::default()),
        ("bar", aliases(&["x=one", "y=one"], false)),
        ("foo", aliases(&["z=one", "asleep~one"], true)),
    ]);
    let text = |words: &[&str], auto_disabled| {
        let clash = clash(&world, &name("tool"), &aliases(words, auto_disabled))?;
        Some(ClashOf(&name("tool"), &clash).to_string())
    };
    let table: [(&[&str], bool, Option<&str>); 9] = [
        (&["free=one"], false, None),
        (&["asleep=one"], false, None),
        (&["x~one"], true, None),
        (&["bars=one"], false, None),
        (
            &["x~one"],
            false,
            Some("cannot enable alias \"x\" for \"tool\", already enabled for \"bar\""),
        ),
        (
            &["x=one", "y=one"],
            false,
            Some("cannot enable aliases \"x\", \"y\" for \"tool\", already enabled for \"bar\""),
        ),
        (
            &["x=one", "z=one"],
            false,
            Some(
                "cannot enable alias \"x\" for \"tool\", already enabled for \"bar\" nor alias \"z\" already enabled for \"foo\"",
            ),
        ),
        (
            &["bar.run=one"],
            false,
            Some(
                "cannot enable alias \"bar.run\" for \"tool\", it conflicts with the command namespace of installed snap \"bar\"",
            ),
        ),
        (
            &["tool=one"],
            false,
            Some(
                "cannot enable alias \"tool\" for \"tool\", it conflicts with the command namespace of installed snap \"tool\"",
            ),
        ),
    ];
    for (words, auto_disabled, expected) in table {
        assert_eq!(text(words, auto_disabled).as_deref(), expected, "{words:?}");
    }
    // a new snap may not take the name of an alias either
    assert_eq!(in_the_way(&world, &name("free")), None);
    let dotted = self::world(&[("bar", aliases(&["free.x=one"], false))]);
    assert_eq!(in_the_way(&dotted, &name("free")), Some(("free.x", &name("bar"))));
    assert_eq!(in_the_way(&dotted, &name("fre")), None);
}
