use super::*;
use crate::domain::snap::SocketInfo;
use crate::domain::{FileIdentity, RevisionRecord, SnapInfo, Timestamp};

const LAUNCHER: &str = "/usr/bin/pinion";

fn service(name: &str) -> AppInfo {
    AppInfo {
        name: name.to_owned(),
        daemon: Some(Daemon::Simple),
        ..AppInfo::default()
    }
}

/// A snap with a plain service, one behind a socket and one that is disabled.
fn record() -> SnapRecord {
    let snap = SnapName::new("web").expect("a name");
    let mut info = SnapInfo::named(snap.clone());
    let mut called = service("called");
    let socket = SocketInfo {
        listen_stream: String::from("80"),
        mode: None,
    };
    called.sockets.insert(String::from("door"), socket);
    for app in [service("plain"), called, service("off")] {
        info.apps.insert(app.name.clone(), app);
    }
    let revision = "x1".parse().expect("a revision");
    SnapRecord {
        name: snap,
        active: true,
        current: revision,
        sequence: vec![RevisionRecord {
            revision,
            installed: Timestamp(0),
            file: FileIdentity::default(),
            info: Arc::new(info),
        }],
        devmode: false,
        jailmode: false,
        classic: false,
        tracking_channel: String::new(),
        cohort_key: String::new(),
        disabled_services: vec![String::from("off")],
        aliases: Default::default(),
    }
}

fn world(record: &SnapRecord) -> World {
    let mut world = World::default();
    Arc::make_mut(&mut world.snaps).insert(record.name.clone(), Arc::new(record.clone()));
    world
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

#[test]
fn what_differs_from_the_store_is_found_and_nothing_else() {
    let root = tempfile::tempdir().expect("a folder");
    let (dirs, record) = (Dirs::new(root.path()), record());
    let (folder, world) = (dirs.units(), world(&record));
    let found = || -> Vec<String> {
        let wrong = differences(&dirs, Path::new(LAUNCHER), &world).into_iter();
        wrong
            .map(|(path, what)| format!("{} {what}", path.display()))
            .collect()
    };
    assert_eq!(found().len(), 6, "four units and two links are not there");
    for file in wanted(&dirs, Path::new(LAUNCHER), &record) {
        put(&folder, &file.name, &file.text);
    }
    for link in [
        "multi-user.target.wants/snap.web.plain.service",
        "sockets.target.wants/snap.web.called.door.socket",
    ] {
        put(&folder, link, "");
    }
    put(&folder, "ssh.service", "");
    put(&folder, "multi-user.target.wants/ssh.service", "");
    assert_eq!(found(), [""; 0]);

    put(
        &folder,
        "snap.web.plain.service",
        "[Service]\nExecStart=/bin/sh\n",
    );
    put(&folder, "multi-user.target.wants/snap.web.off.service", "");
    put(&folder, "snap.gone.app.service", "");
    std::fs::remove_file(folder.join("sockets.target.wants/snap.web.called.door.socket")).expect("removed");
    let mut all = found();
    all.sort();
    assert_eq!(
        all,
        [
            "multi-user.target.wants/snap.web.off.service belongs to no enabled service",
            "snap.gone.app.service belongs to no enabled service",
            "snap.web.plain.service is not as it should be",
            "sockets.target.wants/snap.web.called.door.socket is missing",
        ]
    );
    let gone = SnapName::new("gone").expect("a name");
    assert!(remove(&folder, &gone, |_| true).expect("removed"));
    assert!(!remove(&folder, &gone, |_| true).expect("nothing left"));
    assert!(remove(&folder, &record.name, |name| name.contains(".off.")).expect("removed"));
    assert!(
        !folder
            .join("multi-user.target.wants/snap.web.off.service")
            .exists()
    );
    assert!(folder.join("snap.web.plain.service").exists());
}
