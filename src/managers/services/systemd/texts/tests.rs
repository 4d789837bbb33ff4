use super::*;
use crate::domain::snap::{EndInfo, SocketInfo};

fn app(name: &str) -> AppInfo {
    AppInfo {
        name: name.to_owned(),
        command: String::from("bin/x"),
        daemon: Some(Daemon::Simple),
        ..AppInfo::default()
    }
}

fn made(app: &AppInfo) -> Vec<UnitFile> {
    made_of(app, true)
}

fn made_of(app: &AppInfo, has_mount: bool) -> Vec<UnitFile> {
    let (dirs, snap) = (Dirs::new("/"), SnapName::new("hello-world").expect("a name"));
    let facts = Facts {
        dirs: &dirs,
        snap: &snap,
        revision: "x1".parse().expect("a revision"),
        launcher: Path::new("/usr/bin/pinion"),
        has_mount,
        confined: None,
    };
    units(&facts, app, &|_| 7)
}

/// decision 40: no chip but its own
#[test]
fn a_confined_service_has_the_nodes_of_its_plugs_only() {
    let devices = |interfaces: &[(&str, &str)]| {
        let mut info = SnapInfo::named(SnapName::new("lamp").expect("a name"));
        let mut app = app("web");
        for (plug, interface) in interfaces {
            app.plugs.push((*plug).to_owned());
            let end = EndInfo {
                interface: (*interface).to_owned(),
                ..EndInfo::default()
            };
            info.plugs.insert((*plug).to_owned(), end);
        }
        let (dirs, snap) = (Dirs::new("/"), SnapName::new("lamp").expect("a name"));
        let facts = Facts {
            dirs: &dirs,
            snap: &snap,
            revision: "x1".parse().expect("a revision"),
            launcher: Path::new("/usr/bin/pinion"),
            has_mount: true,
            confined: Some(&info),
        };
        let files = units(&facts, &app, &|_| 7);
        let lines = lines(&files[0])
            .into_iter()
            .filter(|line| line.starts_with("Device"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(devices(&[]), ["DevicePolicy=closed"]);
    assert_eq!(
        devices(&[("net", "network"), ("bank", "gpio-chardev")]),
        [
            "DevicePolicy=closed",
            "DeviceAllow=/dev/snap/gpio-chardev/lamp/bank rwm"
        ]
    );
    assert!(devices(&[("bank", "gpio-chardev"), ("bus", "i2c")]).is_empty());
}

/// A unit without its comments and empty lines.
fn lines(file: &UnitFile) -> Vec<&str> {
    let lines = file.text.lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// contract: snaps-and-assertions, section 2, "Service unit"
#[test]
fn a_plain_service() {
    let files = made(&app("web"));
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].name, "snap.hello-world.web.service");
    assert_eq!(
        lines(&files[0]),
        [
            "[Unit]",
            "Description=Service for snap application hello-world.web",
            "Requires=snap-hello\\x2dworld-x1.mount",
            "Wants=network.target pinion.service",
            "After=snap-hello\\x2dworld-x1.mount network.target snapd.apparmor.service pinion.service",
            "X-Snappy=yes",
            "[Service]",
            "EnvironmentFile=-/etc/environment",
            "ExecStart=/usr/bin/pinion run --service hello-world.web",
            "SyslogIdentifier=hello-world.web",
            "Restart=on-failure",
            "WorkingDirectory=/var/snap/hello-world/x1",
            "TimeoutStopSec=30",
            "Type=simple",
            "[Install]",
            "WantedBy=multi-user.target",
        ]
    );
}

#[test]
fn a_snap_that_is_unpacked_has_no_mount_to_wait_for() {
    let files = made_of(&app("web"), false);
    let units: Vec<&str> = lines(&files[0]).into_iter().take(4).collect();
    assert_eq!(
        units,
        [
            "[Unit]",
            "Description=Service for snap application hello-world.web",
            "Wants=network.target pinion.service",
            "After=network.target snapd.apparmor.service pinion.service",
        ]
    );
}

#[test]
fn a_service_with_everything() {
    let mut full = app("hello-world");
    full.daemon = Some(Daemon::Oneshot);
    full.restart_condition = RestartCondition::Never;
    full.restart_delay = Some(1500);
    full.stop_command = Some(String::from("bin/stop"));
    full.reload_command = Some(String::from("bin/reload"));
    full.post_stop_command = Some(String::from("bin/after"));
    full.start_timeout = Some(250);
    full.stop_timeout = Some(60_000);
    full.watchdog_timeout = Some(2000);
    full.stop_mode = String::from("sigusr1");
    full.bus_name = Some(String::from("org.example.One"));
    full.after = vec![String::from("db")];
    full.before = vec![String::from("late"), String::from("later")];
    let files = made(&full);
    let lines = lines(&files[0]);
    for line in [
        "After=snap-hello\\x2dworld-x1.mount network.target snapd.apparmor.service pinion.service snap.hello-world.db.service",
        "Before=snap.hello-world.late.service snap.hello-world.later.service",
        "ExecStart=/usr/bin/pinion run --service hello-world",
        "ExecStop=/usr/bin/pinion run --service --command=stop hello-world",
        "ExecReload=/usr/bin/pinion run --service --command=reload hello-world",
        "ExecStopPost=/usr/bin/pinion run --service --command=post-stop hello-world",
        "Restart=no",
        "RestartSec=1.5",
        "TimeoutStartSec=0.25",
        "TimeoutStopSec=60",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "BusName=org.example.One",
        "WatchdogSec=2",
        "KillMode=process",
        "KillSignal=SIGUSR1",
    ] {
        assert!(lines.contains(&line), "no {line:?} in {lines:#?}");
    }
    full.stop_mode = String::from("sigint-all");
    let files = made(&full);
    assert!(!files[0].text.contains("KillMode") && files[0].text.contains("KillSignal=SIGINT\n"));
}

#[test]
fn sockets_and_timers() {
    let mut called = app("web");
    for (name, listen_stream, mode) in [
        ("a", "$SNAP_DATA/run/a", Some(0o640)),
        ("b", "@snap.hello-world.b", None),
        ("c", "[::1]:80", None),
    ] {
        let listen_stream = listen_stream.to_owned();
        called
            .sockets
            .insert(name.to_owned(), SocketInfo { listen_stream, mode });
    }
    called.timer = Some(String::from("mon,10:00,,fri5-sat,23:00~24:00,,wed5,9:00-11:00/2"));
    let files = made(&called);
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "snap.hello-world.web.service",
            "snap.hello-world.web.a.socket",
            "snap.hello-world.web.b.socket",
            "snap.hello-world.web.c.socket",
            "snap.hello-world.web.timer",
        ]
    );
    let service = &files[0].text;
    assert!(!service.contains("[Install]"), "{service}");
    assert!(
        service.contains("ExecStart=/usr/bin/pinion run --service --timer=\"mon,10:00,,fri5-sat,23:00~24:00,,wed5,9:00-11:00/2\" hello-world.web\n"),
        "{service}"
    );
    assert_eq!(
        lines(&files[1]),
        [
            "[Unit]",
            "Description=Socket a for snap application hello-world.web",
            "Requires=snap-hello\\x2dworld-x1.mount",
            "After=snap-hello\\x2dworld-x1.mount",
            "X-Snappy=yes",
            "[Socket]",
            "Service=snap.hello-world.web.service",
            "FileDescriptorName=a",
            "ListenStream=/var/snap/hello-world/x1/run/a",
            "SocketMode=0640",
            "[Install]",
            "WantedBy=sockets.target",
        ]
    );
    assert!(lines(&files[2]).contains(&"ListenStream=@snap.hello-world.b"));
    assert!(lines(&files[3]).contains(&"ListenStream=[::1]:80"));
    assert!(!files[3].text.contains("SocketMode"));
    let times: Vec<&str> = lines(&files[4])
        .into_iter()
        .filter(|line| line.starts_with("On"))
        .collect();
    assert_eq!(
        times,
        [
            "OnCalendar=Mon *-*-* 10:00",
            "OnCalendar=Fri,Sat *-*-* 23:07",
            "OnCalendar=Wed *-*-22,23,24,25,26,27,28,29,30,31 09:00",
            "OnCalendar=Wed *-*-22,23,24,25,26,27,28,29,30,31 10:00",
        ]
    );
    let times = calendar(&Schedule::parse("sun,24:00").expect("a schedule"), &|_| 0);
    assert_eq!(times, ["Mon *-*-* 00:00"]);
}

#[test]
fn nothing_that_a_snap_writes_becomes_a_directive() {
    let evil = "x\nExecStart=/bin/sh -c id\r%h $HOME ${HOME} \"";
    let mut bad = app("web");
    bad.command = evil.to_owned();
    bad.stop_command = Some(evil.to_owned());
    bad.environment = vec![(evil.to_owned(), evil.to_owned())];
    bad.command_chain = vec![evil.to_owned()];
    bad.bus_name = Some(evil.to_owned());
    let listen_stream = format!("$SNAP_DATA/{evil}");
    bad.sockets.insert(
        String::from("s"),
        SocketInfo {
            listen_stream,
            mode: None,
        },
    );
    let plain = made(&AppInfo {
        stop_command: Some(String::from("bin/stop")),
        bus_name: Some(String::from("org.example.One")),
        ..app("web")
    });
    let files = made(&bad);
    let keys = |file: &UnitFile| {
        let keys = file
            .text
            .lines()
            .map(|line| line.split('=').next().unwrap_or("").to_owned());
        keys.filter(|key| key != "WantedBy" && key != "[Install]" && !key.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&files[0]), keys(&plain[0]));
    assert_eq!(
        files[0].text.matches("/bin/sh").count(),
        1,
        "only in the name on the bus: {}",
        files[0].text
    );
    for file in &files {
        assert!(!file.text.contains("\nExecStart=/bin/sh"), "{}", file.text);
        assert!(!file.text.replace("%%", "").contains('%'), "{}", file.text);
    }
}
