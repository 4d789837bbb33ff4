//! GLib's client library for /v2, unchanged, against the agent: what desktop programs and Cockpit-like tools use.

use crate::support::TestDaemon;
use crate::support::snaps::{BASE, pack};
use std::path::Path;
use std::process::Command;

const GADGET: &str = "name: test-gadget\nversion: '1'\ntype: gadget\nbase: test-base\nslots:\n  pin-13: {interface: gpio, number: 27}\n";
const APP: &str = "name: test-app\nversion: '1'\nbase: test-base\nplugs:\n  lamp: gpio\napps:\n  hello: {command: bin/hello}\n  talk: {command: bin/talk, daemon: simple}\n";

/// The system's own interpreter: the library comes from its packages.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn the_library_does_its_daily_work() {
    let there = Command::new(PYTHON)
        .args(["-c", "import gi; gi.require_version('Snapd', '2')"])
        .output();
    if !there.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: glib_client::the_library_does_its_daily_work: gir1.2-snapd-2 is not installed");
        return;
    }
    let daemon = TestDaemon::start();
    let files = [
        ("base", pack(BASE, &[])),
        ("gadget", pack(GADGET, &[("meta/gadget.yaml", "volumes: {}\n")])),
        (
            "app",
            pack(
                APP,
                &[
                    ("bin/hello", "#!/bin/sh\necho hello\n"),
                    ("bin/talk", "#!/bin/sh\nexec sleep 1000000\n"),
                    ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
                ],
            ),
        ),
    ];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/glib/client.py");
    let mut command = Command::new(PYTHON);
    command.arg("-B").arg(script).arg(daemon.socket());
    for (name, content) in files {
        let path = daemon.scratch().join(format!("{name}.snap"));
        std::fs::write(&path, content).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    let (said, failed) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{failed}");
    assert!(said.ends_with("all done\n"), "{said}\n{failed}");
}
