use super::*;
use crate::domain::snap::{Daemon, RestartCondition};
use std::path::{Path, PathBuf};

fn fixtures(which: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/snap-yaml")
        .join(which);
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn valid(name: &str) -> SnapInfo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/snap-yaml/valid")
        .join(format!("{name}.yaml"));
    parse_snap_yaml(&std::fs::read(path).expect("a fixture")).expect(name)
}

#[test]
fn every_valid_file_parses_and_survives_the_store() {
    for path in fixtures("valid") {
        let info = parse_snap_yaml(&std::fs::read(&path).expect("read"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stored = serde_json::to_string(&info).expect("to JSON");
        assert_eq!(serde_json::from_str::<SnapInfo>(&stored).expect("back"), info);
    }
}

#[test]
fn every_invalid_file_is_refused_for_its_reason() {
    for path in fixtures("invalid") {
        let bytes = std::fs::read(&path).expect("read");
        let text = String::from_utf8_lossy(&bytes);
        let wanted = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# error: "))
            .unwrap_or_else(|| panic!("{} does not say its error", path.display()));
        let error = parse_snap_yaml(&bytes)
            .expect_err(&path.display().to_string())
            .to_string();
        assert!(
            error.contains(wanted),
            "{}: wanted {wanted:?}, got {error:?}",
            path.display()
        );
        assert!(!error.contains('\n'), "one sentence: {error}");
    }
}

#[test]
fn versions_stay_as_they_are_written() {
    assert_eq!(valid("minimal").version, "1.0");
    assert_eq!(valid("gadget").version, "22-1");
}

#[test]
fn plugs_are_bound_to_apps_and_hooks() {
    let info = valid("forms");
    assert_eq!(info.plugs["camera"].interface, "camera");
    assert_eq!(info.plugs["camera"].apps, ["a", "b"], "unscoped");
    assert_eq!(info.plugs["camera"].hooks, ["configure", "install"]);
    assert_eq!(info.plugs["home"].apps, ["a"], "named by one app");
    assert!(info.plugs["home"].hooks.is_empty());
    assert_eq!(info.plugs["x11"].interface, "x11", "made where it is named");
    assert_eq!(info.plugs["network"].hooks, ["configure"]);
    assert_eq!(info.plugs["shared"].label, "the data");
    assert_eq!(info.plugs["shared"].attrs["content"], "data");
    assert!(!info.plugs["shared"].attrs.contains_key("label"));
    assert_eq!(info.slots["bus"].apps, ["b"]);
    assert_eq!(info.apps["a"].plugs, ["camera", "home", "shared", "x11"]);
}

#[test]
fn hook_files_are_hooks_and_get_unscoped_plugs() {
    let files = [
        String::from("install"),
        String::from("README"),
        String::from("connect-plug-x"),
    ];
    let yaml = b"name: hello\nversion: 1\nplugs: {x: gpio}\n";
    let info = parse_with_hooks(yaml, &files).expect("valid");
    let hooks: Vec<&str> = info.hooks.keys().map(String::as_str).collect();
    assert_eq!(hooks, ["connect-plug-x", "install"]);
    assert_eq!(info.plugs["x"].hooks, ["connect-plug-x", "install"]);
}

#[test]
fn attributes_keep_their_types() {
    let info = valid("gadget");
    assert_eq!(info.slots["bcm-gpio-17"].attrs["number"], serde_json::json!(17));
    assert_eq!(
        info.slots["ports"].attrs["source-chip"],
        serde_json::json!(["pinctrl-bcm2711", "pinctrl-bcm2835"])
    );
    assert_eq!(info.slots["ports"].attrs["lines"], "2-4,17");
    assert_eq!(info.slots["pin-13"].interface, "gpio");
}

#[test]
fn services() {
    let info = valid("service");
    let names: Vec<&str> = info.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["Z_FIRST", "A_SECOND", "COUNT"],
        "in the order of the file"
    );
    assert_eq!(info.environment[2].1, "3");
    let db = &info.apps["db"];
    assert_eq!(db.daemon, Some(Daemon::Notify));
    assert_eq!(db.watchdog_timeout, Some(3_600_000));
    assert_eq!(db.start_timeout, Some(2500));
    assert!(db.install_disabled);
    assert_eq!(db.restart_condition, RestartCondition::OnFailure, "the default");
    let web = &info.apps["web"];
    assert_eq!(web.sockets["admin"].mode, Some(0o600));
    assert_eq!(web.sockets["http"].listen_stream, "8080");
    assert_eq!(
        info.apps["nightly"].restart_condition,
        RestartCondition::Never,
        "oneshot"
    );
    assert_eq!(
        valid("keyboard-lights").apps["lights"].restart_delay,
        Some(90_000)
    );
    assert_eq!(valid("keyboard-lights").apps["lights"].stop_timeout, Some(500));
}

#[test]
fn epochs() {
    let star = valid("epoch-star").epoch;
    assert_eq!((star.read, star.write), (vec![3, 4], vec![4]));
    let lists = valid("epochs").epoch;
    assert_eq!((lists.read, lists.write), (vec![1, 2, 3], vec![3]));
    assert_eq!(valid("minimal").epoch, Epoch::default());
}

#[test]
fn durations() {
    let table = [
        ("0", Some(0)),
        ("30s", Some(30_000)),
        ("1m30s", Some(90_000)),
        ("1.5h", Some(5_400_000)),
        ("100us", Some(0)),
        ("-1s", Some(-1000)),
        ("30", None),
        ("", None),
        ("s", None),
        ("1x", None),
        ("1s2", None),
        ("99999999999h", None),
        (".", None),
    ];
    for (text, wanted) in table {
        assert_eq!(words::duration_ms(text), wanted, "{text:?}");
    }
}

/// Mount points and sources of layouts alike are absolute and clean (contract: snaps-and-assertions, section 1).
#[test]
fn paths_of_layouts_are_clean() {
    let parse = |path: &str, way: &str, source: &str| {
        let text = format!("name: lay\nversion: 1\nlayout: {{{path}: {{{way}: {source}}}}}\n");
        parse_snap_yaml(text.as_bytes()).map_err(|error| error.to_string())
    };
    for way in ["bind", "bind-file", "symlink"] {
        for start in ["$SNAP", "$SNAP_DATA", "$SNAP_COMMON"] {
            for good in ["", "/x", "/x/.y/z..", "/..."] {
                let source = format!("{start}{good}");
                assert!(parse("/opt/lay", way, &source).is_ok(), "{way}: {source}");
            }
            for bad in [
                "/", "//", "//x", "/x//y", "/x/", "/./x", "/x/.", "/../x", "/x/..", "/..",
            ] {
                let source = format!("{start}{bad}");
                let refused = format!(
                    "meta/snap.yaml: layout \"/opt/lay\" is wrong, its source {source:?} is not clean: leave out ., .. and slashes that are doubled or at the end"
                );
                assert_eq!(parse("/opt/lay", way, &source).err(), Some(refused), "{way}");
                let refused = format!(
                    "meta/snap.yaml: layout {source:?} is wrong, its path is not clean: leave out ., .. and slashes that are doubled or at the end"
                );
                assert_eq!(parse(&source, way, "$SNAP/x").err(), Some(refused), "{way}");
            }
        }
    }
    for outside in ["/etc", "etc", "$SNAPPY", "$SNAP_DATAx/y", "$HOME/x", "x/$SNAP"] {
        let error = parse("/opt/lay", "bind", outside).expect_err(outside);
        assert!(
            error.contains("start it with $SNAP, $SNAP_DATA or $SNAP_COMMON"),
            "{error}"
        );
    }
}

#[test]
fn timers() {
    for good in [
        "mon,10:00-12:00",
        "00:00~24:00/4",
        "9:00",
        "mon-fri",
        "fri5,23:00,,sat,1:00-2:00/2",
    ] {
        assert!(crate::domain::Schedule::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "xyz",
        "24:01",
        "mon,,",
        "10:0",
        "10:00/3",
        "mon6",
        "10:00-12:00/0",
    ] {
        assert!(crate::domain::Schedule::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn too_large_is_refused_without_being_read() {
    let mut bytes = b"name: hello\nversion: 1\ndescription: ".to_vec();
    bytes.resize(MAX_SIZE + 1, b'x');
    assert_eq!(
        parse_snap_yaml(&bytes),
        Err(SnapYamlError::TooLarge("meta/snap.yaml"))
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = parse_snap_yaml(&bytes);
    }

    #[test]
    fn no_damage_to_a_valid_file_makes_it_panic(at in 0usize..1500, byte in 0u8..128, cut in 0usize..1500) {
        for path in fixtures("valid").into_iter().take(4) {
            let mut bytes = std::fs::read(path).expect("read");
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut.max(10));
            let _ = parse_snap_yaml(&bytes);
        }
    }
}
