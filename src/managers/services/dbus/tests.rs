use super::*;
use crate::domain::snap::EndInfo;
use serde_json::json;

fn slot(name: &str, bus: &str) -> EndInfo {
    let mut slot = EndInfo {
        interface: String::from("dbus"),
        ..EndInfo::default()
    };
    for (key, value) in [("name", name), ("bus", bus)] {
        slot.attrs.insert(String::from(key), json!(value));
    }
    slot
}

/// A snap whose only app is bound to two names of the system and one of users.
fn info() -> SnapInfo {
    let mut info = SnapInfo::named(SnapName::new("web").expect("a name"));
    for (slot_name, name, bus) in [
        ("one", "org.example.One", "system"),
        ("two", "org.example.Two", "system"),
        ("user", "org.example.User", "session"),
        ("free", "org.example.Free", "system"),
    ] {
        info.slots.insert(String::from(slot_name), slot(name, bus));
    }
    let app = AppInfo {
        name: String::from("svc"),
        slots: ["two", "user"].map(String::from).to_vec(),
        activates_on: vec![String::from("one")],
        ..AppInfo::default()
    };
    info.apps.insert(app.name.clone(), app);
    info
}

#[test]
fn names_of_a_service() {
    let info = info();
    let app = &info.apps["svc"];
    assert_eq!(activating(&info, app).collect::<Vec<_>>(), ["org.example.One"]);
    assert_eq!(owned(&info, app), ["org.example.One", "org.example.Two"]);
}

#[test]
fn a_name_that_is_none_is_written_nowhere() {
    let long = format!("org.{}", "x".repeat(252));
    for name in [
        "../../../../etc/systemd/system/evil",
        "org/example",
        "org.example.\"/><allow own=\"org.example.Other",
        "org.example\nExec=/bin/sh",
        "org..example",
        "example",
        ".org.example",
        "org.1st",
        "",
        long.as_str(),
    ] {
        let mut info = info();
        info.slots.insert(String::from("one"), slot(name, "system"));
        assert_eq!(name_of(&info, "one"), None, "{name:?}");
        let app = &info.apps["svc"];
        assert_eq!(activating(&info, app).count(), 0, "{name:?}");
        assert_eq!(owned(&info, app), ["org.example.Two"], "{name:?}");
    }
}

#[test]
fn texts_with_and_without_systemd() {
    let (dirs, info) = (Dirs::new("/"), info());
    let text = |user, has_systemd| {
        let around = Around {
            dirs: &dirs,
            launcher: Path::new("/usr/bin/pinion"),
            user,
            has_systemd,
        };
        let mut files = around.service_files(&info, &info.apps["svc"]).into_iter();
        files.next().expect("a file")
    };
    let head = "[D-BUS Service]\n# Made by pinion; it is written again\nName=org.example.One\n\
        Exec=/usr/bin/pinion --socket /run/snapd.socket start web.svc\n";
    let path = PathBuf::from("/var/lib/snapd/dbus-1/system-services/org.example.One.service");
    assert_eq!(
        text(1000, false),
        (path.clone(), format!("{head}X-Pinion=web.svc\n"))
    );
    let systemd = format!("{head}User=root\nSystemdService=snap.web.svc.service\nX-Pinion=web.svc\n");
    assert_eq!(text(0, true), (path, systemd));

    for (user, shown) in [(0, "root"), (1000, "1000")] {
        let text = policy(user, &["org.example.One"]);
        let rules = format!(
            "<busconfig>\n  <policy user=\"{shown}\">\n    <allow own=\"org.example.One\"/>\n  </policy>\n  \
             <policy context=\"default\">\n    <allow send_destination=\"org.example.One\"/>\n  </policy>\n</busconfig>\n"
        );
        assert!(text.ends_with(&rules), "{text}");
    }
}

#[test]
fn owners() {
    let owner = Some((SnapName::new("web").expect("a name"), String::from("svc")));
    let policy = |name: &str| policy_owner(&Path::new("/etc/dbus-1/system.d").join(name));
    assert_eq!(policy("snap.web.svc.conf"), owner);
    for other in [
        "snapd.conf",
        "snap.web.conf",
        "web.svc.conf",
        "snap.web.svc.conf~",
    ] {
        assert_eq!(policy(other), None, "{other}");
    }
}
