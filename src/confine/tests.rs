use super::environment::{Facts, User, build, inherited, is_of_systemd, lookup};
use super::{Launch, LaunchPlug, Which, command};
use crate::domain::snap::{AppInfo, Confinement, HookInfo};
use crate::domain::{Dirs, SnapInfo, SnapName};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn launch() -> Launch {
    let app = AppInfo {
        name: String::from("svc"),
        command: String::from("bin/run echo $SNAP_NAME $NOSUCH a:b"),
        command_chain: vec![String::from("bin/chain")],
        stop_command: Some(String::from("bin/stop")),
        plugs: vec![String::from("my-led")],
        environment: vec![
            (String::from("FIRST"), String::from("$SNAP_REVISION")),
            (String::from("SECOND"), String::from("${FIRST}-x${NOSUCH}y")),
            (String::from("PATH"), String::from("$SNAP/bin:$PATH")),
        ],
        ..AppInfo::default()
    };
    let info = SnapInfo {
        version: String::from("1.0"),
        apps: [(app.name.clone(), app)].into(),
        hooks: [(
            String::from("install"),
            HookInfo {
                name: String::from("install"),
                ..HookInfo::default()
            },
        )]
        .into(),
        environment: vec![(String::from("ALL"), String::from("of-snap"))],
        ..SnapInfo::named(SnapName::new("cf").expect("a name"))
    };
    let grants = [(String::from("LED"), String::from("ACT"))].into();
    Launch {
        info: Arc::new(info),
        revision: "x1".parse().expect("a revision"),
        confinement: Confinement::Strict,
        plugs: [(
            String::from("my-led"),
            LaunchPlug {
                interface: String::from("led"),
                grants,
                devices: Vec::new(),
            },
        )]
        .into(),
    }
}

fn environment(dirs: &Dirs, launch: &Launch, which: &Which) -> Vec<(OsString, OsString)> {
    build(&Facts {
        dirs,
        launch,
        which,
        user: &User {
            uid: 1000,
            home: PathBuf::from("/home/u"),
        },
        cookie: Some(String::from("C")),
        inherited: vec![("LANG".into(), "C".into())],
    })
}

#[test]
fn an_app_gets_the_contracts_environment() {
    // contract: confinement, section 1.4
    let (dirs, launch) = (Dirs::new("/"), launch());
    let which = Which::choose(&launch.info, "svc", None, None).expect("the app");
    let env = environment(&dirs, &launch, &which);
    let path = "/run/pinion/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games";
    for (name, value) in [
        ("SNAP", "/snap/cf/x1"),
        ("SNAP_DATA", "/var/snap/cf/x1"),
        ("SNAP_COMMON", "/var/snap/cf/common"),
        ("SNAP_USER_DATA", "/home/u/snap/cf/x1"),
        ("SNAP_USER_COMMON", "/home/u/snap/cf/common"),
        ("HOME", "/home/u/snap/cf/x1"),
        ("SNAP_REAL_HOME", "/home/u"),
        ("XDG_RUNTIME_DIR", "/run/user/1000/snap.cf"),
        ("SNAP_NAME", "cf"),
        ("SNAP_INSTANCE_NAME", "cf"),
        ("SNAP_INSTANCE_KEY", ""),
        ("SNAP_REVISION", "x1"),
        ("SNAP_VERSION", "1.0"),
        (
            "SNAP_LIBRARY_PATH",
            "/var/lib/snapd/lib/gl:/var/lib/snapd/lib/gl32:/var/lib/snapd/void",
        ),
        ("SNAP_REEXEC", ""),
        ("SNAP_COOKIE", "C"),
        ("SNAP_CONTEXT", "C"),
        ("TMPDIR", "/tmp"),
        ("TEMPDIR", "/tmp"),
        ("LANG", "C"),
        ("ALL", "of-snap"),
        ("FIRST", "x1"),
        ("SECOND", "x1-xy"),
        ("PATH", &format!("/snap/cf/x1/bin:{path}")),
        ("SNAP_PLUG_MY_LED_LED", "ACT"),
    ] {
        assert_eq!(lookup(&env, name), Some(value.into()), "{name}");
    }
    assert_eq!(lookup(&env, "PINION_SNAP_SOCKET"), None);
}

#[test]
fn another_root_moves_every_path() {
    let (dirs, launch) = (Dirs::new("/tmp/r"), launch());
    let which = Which::choose(&launch.info, "svc", None, None).expect("the app");
    let env = environment(&dirs, &launch, &which);
    assert_eq!(lookup(&env, "SNAP"), Some("/tmp/r/snap/cf/x1".into()));
    assert_eq!(
        lookup(&env, "PINION_SNAP_SOCKET"),
        Some("/tmp/r/run/snapd-snap.socket".into())
    );
}

#[test]
fn a_hook_that_is_not_bound_to_a_plug_gets_nothing_of_it() {
    let (dirs, launch) = (Dirs::new("/"), launch());
    let which = Which::choose(&launch.info, "cf", Some("install"), None).expect("the hook");
    let env = environment(&dirs, &launch, &which);
    assert_eq!(lookup(&env, "SNAP_PLUG_MY_LED_LED"), None);
    let argv = command::argv(&dirs, &launch, &which, &env, &[]);
    assert_eq!(argv, ["/snap/cf/x1/meta/hooks/install"]);
}

#[test]
fn words_of_a_command_that_come_out_empty_are_dropped() {
    let (dirs, launch) = (Dirs::new("/"), launch());
    let which = Which::choose(&launch.info, "svc", None, None).expect("the app");
    let env = environment(&dirs, &launch, &which);
    let argv = command::argv(&dirs, &launch, &which, &env, &["extra".into(), "a $b".into()]);
    assert_eq!(
        argv,
        [
            "/snap/cf/x1/bin/chain",
            "/snap/cf/x1/bin/run",
            "echo",
            "cf",
            "a:b",
            "extra",
            "a $b"
        ]
    );
}

#[test]
fn what_is_not_there_is_named_in_the_words_of_the_contract() {
    let info = launch().info;
    let text = |app, hook, command| {
        Which::choose(&info, app, hook, command)
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(text("nosuch", None, None), r#"cannot find app "nosuch" in "cf""#);
    assert_eq!(
        text("cf", Some("nosuch"), None),
        r#"cannot find hook "nosuch" in "cf""#
    );
    assert_eq!(
        text("svc", None, Some("reload")),
        r#"no "reload" command found for "svc""#
    );
    assert_eq!(text("svc", None, Some("bogus")), r#"cannot use "bogus" command"#);
}

#[test]
fn who_was_started_by_systemd_is_known_by_its_number() {
    let env = |pid: u32| std::iter::once((OsString::from("SYSTEMD_EXEC_PID"), pid.to_string().into()));
    assert!(is_of_systemd(env(std::process::id())));
    // The agent's own, which a hook would inherit.
    assert!(!is_of_systemd(env(1)));
    assert!(!is_of_systemd(std::iter::empty()));
}

#[test]
fn only_what_belongs_there_is_inherited() {
    let all = || {
        ["LANG", "LD_PRELOAD", "LISTEN_FDS", "SNAP_COOKIE", "SECRET"]
            .map(|name| (OsString::from(name), OsString::from("1")))
            .into_iter()
    };
    let names = |clean, confinement| {
        inherited(all(), clean, confinement)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(true, Confinement::Strict), ["LANG", "SNAP_COOKIE"]);
    assert_eq!(
        names(false, Confinement::Strict),
        ["LANG", "LISTEN_FDS", "SECRET"]
    );
    assert_eq!(
        names(false, Confinement::Classic),
        ["LANG", "LD_PRELOAD", "LISTEN_FDS", "SECRET"]
    );
}

#[test]
fn layouts_show_to_the_app_and_to_nobody_else() {
    // contract: confinement, section 2.3
    if !super::layout::is_possible() {
        println!("skipped: confine::layouts: needs root for a mount namespace");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(dir.path());
    let mut launch = launch();
    let name = launch.info.name.clone();
    let (snap, data) = (
        dirs.snap_mount(&name, launch.revision),
        dirs.snap_data(&name, launch.revision),
    );
    for folder in [
        snap.join("lay"),
        snap.join("etc"),
        data.clone(),
        dirs.snap_common(&name),
    ] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(snap.join("lay/file"), "of the snap").expect("a file");
    std::fs::write(snap.join("etc/conf"), "conf of the snap").expect("a file");
    let host = dir.path().join("host");
    std::fs::create_dir_all(host.join("sub")).expect("a folder");
    std::fs::write(host.join("sub/own"), "of the host").expect("a file");
    std::os::unix::fs::symlink("sub/own", host.join("lead")).expect("a link");
    let entry = |path: &str| crate::domain::snap::LayoutInfo {
        path: host.join(path).to_string_lossy().into_owned(),
        bind: None,
        bind_file: None,
        tmpfs: false,
        symlink: None,
        user: String::from("root"),
        group: String::from("root"),
        mode: 0o1777,
    };
    let text = |path: &str| Some(String::from(path));
    let layouts = [
        crate::domain::snap::LayoutInfo {
            bind: text("$SNAP/lay"),
            ..entry("new/lay")
        },
        crate::domain::snap::LayoutInfo {
            bind: text("$SNAP_COMMON/made"),
            ..entry("made")
        },
        crate::domain::snap::LayoutInfo {
            bind_file: text("$SNAP/etc/conf"),
            ..entry("new/conf")
        },
        crate::domain::snap::LayoutInfo {
            symlink: text("$SNAP_DATA/x"),
            ..entry("link")
        },
        crate::domain::snap::LayoutInfo {
            tmpfs: true,
            ..entry("memory")
        },
    ];
    let info = Arc::make_mut(&mut launch.info);
    info.layout = layouts.to_vec();
    let refused = |launch: Launch, dirs: Dirs| {
        let tried = std::thread::spawn(move || {
            super::layout::apply(&dirs, &launch).map_err(|error| error.to_string())
        });
        tried.join().expect("no panic").expect_err("refused")
    };
    // a source that the snap has led elsewhere is not followed
    std::os::unix::fs::symlink("/etc", dirs.snap_common(&name).join("out")).expect("a link");
    let mut leads = launch.clone();
    Arc::make_mut(&mut leads.info).layout = vec![crate::domain::snap::LayoutInfo {
        bind: text("$SNAP_COMMON/out/ssl"),
        ..entry("out")
    }];
    let error = refused(leads, dirs.clone());
    assert!(
        error.contains("out") && error.contains("cannot set up the layout"),
        "{error}"
    );
    let mut missing = launch.clone();
    Arc::make_mut(&mut missing.info).layout = vec![crate::domain::snap::LayoutInfo {
        bind: text("$SNAP/nothing"),
        ..entry("nothing")
    }];
    refused(missing, dirs.clone());

    // a thread has a namespace of its own, and takes it along
    let (seen, at) = (dirs.clone(), host.clone());
    let app = std::thread::spawn(move || {
        super::layout::apply(&seen, &launch).expect("applied");
        let read = |path: &str| std::fs::read_to_string(at.join(path)).expect(path);
        assert_eq!(read("new/lay/file"), "of the snap");
        assert_eq!(read("new/conf"), "conf of the snap");
        assert_eq!(read("sub/own"), "of the host", "the rest of the folder is there");
        assert_eq!(read("lead"), "of the host");
        assert_eq!(
            std::fs::read_link(at.join("link")).expect("a link"),
            seen.snap_data(&launch.info.name, launch.revision).join("x")
        );
        let memory = std::fs::metadata(at.join("memory")).expect("a folder");
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&memory.permissions()) & 0o7777,
            0o1777
        );
        std::fs::write(at.join("memory/scratch"), "x").expect("it can be written");
        std::fs::write(at.join("made/kept"), "kept").expect("the snap's own folder");
        assert!(
            std::fs::write(at.join("stray"), "x").is_err(),
            "the copy of a folder is read-only"
        );
        std::fs::write(at.join("sub/more"), "x").expect("what is bound again is as it was");
    });
    app.join().expect("the app saw it");
    assert_eq!(
        std::fs::read_to_string(dirs.snap_common(&name).join("made/kept")).expect("kept"),
        "kept"
    );
    assert!(host.join("sub/more").exists());
    for path in ["new", "made", "link", "memory"] {
        assert!(
            !host.join(path).exists() && !host.join(path).is_symlink(),
            "{path} shows outside"
        );
    }
}

#[test]
fn an_empty_base_is_good_enough() {
    if !super::layout::is_possible() {
        println!("skipped: confine::bases: needs root for a mount namespace");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(dir.path().join("root"));
    let mut launch = launch();
    let name = launch.info.name.clone();
    for folder in [
        dirs.snap_mount(&name, launch.revision),
        dirs.snap_data(&name, launch.revision),
        dir.path().join("base/meta"),
    ] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(dirs.snap_mount(&name, launch.revision).join("conf"), "conf").expect("a file");
    Arc::make_mut(&mut launch.info).layout = vec![crate::domain::snap::LayoutInfo {
        path: String::from("/opt/deep/conf"),
        bind: None,
        bind_file: Some(String::from("$SNAP/conf")),
        tmpfs: false,
        symlink: None,
        user: String::from("root"),
        group: String::from("root"),
        mode: 0o755,
    }];
    let which = Which::choose(&launch.info, "svc", None, None).expect("the app");
    let base = dir.path().join("base");
    let home = dir.path().join("root/root");
    let own = dirs.clone();
    let app = std::thread::spawn(move || {
        let user = User { uid: 0, home };
        super::base::enter(&own, &base, &launch, &which, &user).expect("entered");
        let mut top: Vec<_> = std::fs::read_dir("/")
            .expect("the root")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        top.sort();
        assert_eq!(
            top,
            [
                "dev", "etc", "meta", "opt", "proc", "run", "snap", "sys", "tmp", "var"
            ]
        );
        let read = |path: &str| std::fs::read_to_string(path).expect(path);
        assert_eq!(read("/opt/deep/conf"), "conf");
        assert_eq!(read("/snap/cf/x1/conf"), "conf");
        std::fs::write("/var/snap/cf/x1/own", "x").expect("its data");
        std::fs::write("/dev/null", "x").expect("a device");
        for path in [
            "/own",
            "/dev/own",
            "/snap/cf/own",
            "/var/own",
            "/opt/deep/own",
            "/meta/own",
        ] {
            std::fs::write(path, "x").expect_err(path);
        }
    });
    app.join().expect("the app saw it");
    assert!(
        dirs.snap_data_dir(&SnapName::new("cf").expect("a name"))
            .join("x1/own")
            .exists()
    );
    super::forget(&dirs, &SnapName::new("cf").expect("a name")).expect("forgotten");
    let left: Vec<_> = ["tmp/snap-private-tmp", "run/lock", "dev/shm"]
        .into_iter()
        .flat_map(|path| std::fs::read_dir(dirs.root().join(path)).expect(path))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // what an ordinary user has put there first is not root's
    let taken = dirs.shared_memory(&SnapName::new("cf").expect("a name"));
    std::os::unix::fs::symlink("/etc", &taken).expect("a link");
    let launch = self::launch();
    let which = Which::choose(&launch.info, "svc", None, None).expect("the app");
    let refused = super::parts::steps(&dirs, &launch, &which, Path::new("/nonexistent"), dirs.root());
    assert!(refused.expect_err("refused").to_string().contains("remove it"));
}

#[test]
fn a_wrapper_is_known_by_its_name() {
    let root = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(root.path());
    std::fs::create_dir_all(dirs.snap_bin()).expect("a folder");
    for (name, target) in [
        ("web.srv", "/usr/bin/pinion"),
        ("serve", "web.srv"),
        ("pinion", "/usr/bin/pinion"),
    ] {
        std::os::unix::fs::symlink(target, dirs.snap_bin().join(name)).expect("a link");
    }
    for (name, command) in [
        ("web.srv", Some("web.srv")),
        ("serve", Some("web.srv")),
        ("nosuch", None),
        ("pinion", None),
    ] {
        let found = super::called_as(&dirs, name.as_ref());
        assert_eq!(found.as_deref(), command, "{name}");
    }
}
