//! What a snap shows of itself: pictures, desktop files, health (contract: v2, section 3; v2-observed, "Surprises in
//! shapes"; snaps-and-assertions, section 2).

use crate::support::TestDaemon;
use crate::support::snaps::{BASE, pack};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn tool(apps: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let yaml =
        format!("name: tool\nversion: '1'\nbase: test-base\nsummary: s\ndescription: d\napps:\n{apps}");
    let mut all = vec![("bin/x", "#!/bin/sh\nexec sleep 1000\n")];
    all.extend_from_slice(files);
    pack(&yaml, &all)
}

const APPS: &str = "  tool: {command: bin/x}\n  view: {command: bin/x}\n";

fn check(root: &Path) -> String {
    let output = std::process::Command::new(crate::support::daemon::binary())
        .args(["check", "--deep", "--root"])
        .arg(root)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn desktop_files_come_and_go_with_their_snap() {
    let mut daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let huge = format!("[Desktop Entry]\nName={}\n", "x".repeat(70_000));
    let first = tool(
        APPS,
        &[
            (
                "meta/gui/view.desktop",
                "[Desktop Entry]\nName=View\nExec=tool.view %U\nTryExec=sh\nIcon=${SNAP}/meta/gui/icon.png\n\
                 [Desktop Action Evil]\nName=Evil\nExec=/bin/sh -c id\n",
            ),
            ("meta/gui/huge.desktop", &huge),
            ("meta/gui/none.desktop", "Name=No group\n"),
            ("meta/gui/bad name.desktop", "[Desktop Entry]\nName=x\n"),
        ],
    );
    daemon.install(&[("tool.snap", &first)]);
    let root = daemon.root();
    let folder = root.join("var/lib/snapd/desktop/applications");
    let file = folder.join("tool_view.desktop");
    let text = std::fs::read_to_string(&file).unwrap();
    let (wrapper, picture) = (
        root.join("snap/bin/tool.view"),
        root.join("snap/tool/current/meta/gui/icon.png"),
    );
    assert_eq!(
        text,
        format!(
            "[Desktop Entry]\nX-SnapInstanceName=tool\nName=View\nExec={} %U\nIcon={}\n[Desktop Action Evil]\nName=Evil\nExec={}\n",
            wrapper.display(),
            picture.display(),
            // The file is called as an app, so its other commands start that one.
            wrapper.display()
        )
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        1,
        "the others cannot be used"
    );

    let app = |name: &str| {
        let apps = daemon.get("/v2/snaps/tool").result()["apps"].clone();
        let found = apps.as_array().unwrap().iter().find(|app| app["name"] == name);
        found.unwrap().clone()
    };
    assert_eq!(app("view")["desktop-file"], json!(file));
    assert_eq!(app("tool").get("desktop-file"), None);
    assert_eq!(
        daemon.get("/v2/apps?names=tool.view").result()[0]["desktop-file"],
        json!(file)
    );

    daemon.done(&daemon.post("/v2/snaps/tool", &json!({"action": "disable"})));
    assert!(!file.exists());
    assert_eq!(app("view").get("desktop-file"), None);
    daemon.done(&daemon.post("/v2/snaps/tool", &json!({"action": "enable"})));
    assert!(file.exists());

    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.join("gone_x.desktop"), "").unwrap();
    let found = check(&root);
    assert!(found.contains("tool_view.desktop is missing"), "{found}");
    assert!(
        found.contains("gone_x.desktop belongs to no enabled snap"),
        "{found}"
    );
    daemon.stop();
    daemon.launch();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "it is mended");
    assert!(!folder.join("gone_x.desktop").exists());

    daemon.install(&[("tool.snap", &tool(APPS, &[]))]);
    assert!(!file.exists(), "the new revision has none");
    daemon.done(&daemon.post("/v2/snaps/tool", &json!({"action": "revert"})));
    assert!(file.exists());
    daemon.done(&daemon.post("/v2/snaps/tool", &json!({"action": "remove"})));
    assert!(!file.exists());
    assert_eq!(check(&root), "ok\n");
}

/// A picture that leads out of the snap would show everyone what the agent may read.
#[test]
fn pictures_stay_in_their_snap() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let source = daemon.scratch().join("source");
    let picture = |kind: &dyn Fn(&Path)| {
        // What earlier rounds left goes first.
        let _ = std::fs::remove_dir_all(&source);
        std::fs::create_dir_all(source.join("meta/gui")).unwrap();
        std::fs::write(
            source.join("meta/snap.yaml"),
            "name: seen\nversion: '1'\nbase: test-base\nsummary: s\ndescription: d\n",
        )
        .unwrap();
        kind(&source.join("meta/gui"));
        let out = daemon.scratch().join("seen.snap");
        let packed = std::process::Command::new(crate::support::daemon::binary())
            .args(["pack".as_ref(), source.as_os_str(), out.as_os_str()])
            .status()
            .unwrap();
        assert!(packed.success());
        daemon.install(&[("seen.snap", &std::fs::read(&out).unwrap())]);
        daemon.get("/v2/icons/seen/icon")
    };
    let secret = daemon.scratch().join("secret.png");
    std::fs::write(&secret, "secret").unwrap();
    let linked = picture(&|gui| std::os::unix::fs::symlink(&secret, gui.join("icon.png")).unwrap());
    assert_eq!(
        (linked.status, linked.message(), linked.kind()),
        (404, "local snap has no icon", "")
    );
    assert_eq!(daemon.get("/v2/snaps/seen").result().get("icon"), None);

    let svg = picture(&|gui| std::fs::write(gui.join("icon.svg"), "<svg/>").unwrap());
    assert_eq!(
        (svg.status, svg.header("content-type")),
        (200, Some("image/svg+xml"))
    );
    assert_eq!(svg.bytes, b"<svg/>");
    let inner = picture(&|gui| {
        std::fs::write(gui.join("real.png"), "png").unwrap();
        std::os::unix::fs::symlink("real.png", gui.join("icon.png")).unwrap();
    });
    assert_eq!(
        (inner.status, inner.header("content-type")),
        (200, Some("image/png"))
    );
    assert_eq!(inner.bytes, b"png");
    assert_eq!(inner.header("content-length"), Some("3"));
    assert_eq!(
        daemon.get("/v2/snaps/seen").result()["icon"],
        "/v2/icons/seen/icon"
    );
    let none = daemon.get("/v2/icons/nosuch/icon");
    assert_eq!((none.status, none.kind()), (404, "snap-not-found"));
}

/// The health that a snap says by its check-health hook, and what is known when the hook says nothing.
#[test]
fn health_is_shown() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let install = |hook: &str| {
        let hook = format!("#!/bin/sh\n{hook}\n");
        daemon.install(&[("tool.snap", &tool(APPS, &[("meta/hooks/check-health", &hook)]))]);
        daemon.get("/v2/snaps/tool").result()["health"].clone()
    };
    let mut health = install("snapctl set-health --code=no-net blocked 'no network here'");
    let time = health.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'));
    assert_eq!(
        health,
        json!({"revision": "x1", "status": "blocked", "message": "no network here", "code": "no-net"})
    );
    let listed = daemon.get("/v2/snaps").result().clone();
    let tool = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|snap| snap["name"] == "tool");
    assert_eq!(tool.unwrap()["health"]["status"], "blocked");

    let health = install("snapctl set-health okay");
    assert_eq!(
        (&health["revision"], &health["status"]),
        (&json!("x2"), &json!("okay"))
    );
    assert_eq!((health.get("message"), health.get("code")), (None, None));
    let all = daemon.get("/v2/snaps?select=all&snaps=tool").result().clone();
    assert_eq!(all[0]["health"]["status"], "blocked", "each revision has its own");

    assert_eq!(install("true")["status"], "unknown", "the hook said nothing");
    daemon.done(&daemon.post("/v2/snaps/tool", &json!({"action": "remove"})));
    daemon.install(&[("tool.snap", &self::tool(APPS, &[]))]);
    assert_eq!(
        daemon.get("/v2/snaps/tool").result().get("health"),
        None::<&Value>
    );
}
