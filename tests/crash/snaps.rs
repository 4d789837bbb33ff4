//! The snaps that the scenarios install, packed once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files by path: content, and whether it is a program.
pub type Files<'a> = &'a [(&'a str, &'a str, bool)];

const HOOK: &str = "#!/bin/sh\nexit 0\n";

/// It orders its service about when it is asked to.
const CONFIGURE: &str = "#!/bin/sh\n[ \"$(snapctl get order)\" ] && snapctl restart lights.lights\nexit 0\n";

/// It does the same when it is given words.
const SAY: &str = "#!/bin/sh\n[ \"$1\" ] && exec snapctl \"$@\"\necho said\n";

/// What a snap and the system start with.
const GADGET: &str = "volumes: {}
defaults:
  system: {refresh: {retain: 2}}
  lights: {colour: blue}
";

fn lights(version: &str) -> String {
    // An app that the later versions have no more.
    let old = if version == "1" {
        "  hum: {command: bin/say}\n"
    } else {
        ""
    };
    format!(
        "name: lights
version: '{version}'
summary: A lamp
description: A lamp
base: bare
architectures: [all]
plugs:
  pin: {{interface: gpio}}
  net: {{interface: network}}
apps:
  lights: {{command: bin/lights, daemon: simple, plugs: [pin]}}
  say: {{command: bin/say}}
{old}hooks:
  install: {{}}
  configure: {{}}
  check-health: {{}}
  remove: {{}}
  pre-refresh: {{}}
  post-refresh: {{}}
  prepare-plug-pin: {{}}
  connect-plug-pin: {{}}
  disconnect-plug-pin: {{}}
"
    )
}

/// Packs a folder into a snap file.
pub fn pack(dir: &Path, name: &str, files: Files<'_>) -> PathBuf {
    let tree = dir.join(format!("{name}.tree"));
    for (path, content, program) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, content).expect("a file");
        let mode = if *program { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let file = dir.join(format!("{name}.snap"));
    let output = Command::new(env!("CARGO_BIN_EXE_pinion"))
        .arg("pack")
        .arg(&tree)
        .arg(&file)
        .output();
    let output = output.expect("pinion pack runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    file
}

/// Every snap of the scenarios.
pub struct Snaps {
    pub base: PathBuf,
    pub gadget: PathBuf,
    /// Versions 1 to 4 of the app.
    pub lights: Vec<PathBuf>,
    /// The app as a folder.
    pub folder: PathBuf,
}

impl Snaps {
    /// Packs them below `dir`.
    pub fn pack(dir: &Path) -> Self {
        let base = pack(
            dir,
            "bare",
            &[(
                "meta/snap.yaml",
                "name: bare\nversion: '1'\nsummary: s\ndescription: d\ntype: base\narchitectures: [all]\n",
                false,
            )],
        );
        let gadget = pack(
            dir,
            "board",
            &[
                (
                    "meta/snap.yaml",
                    "name: board
version: '1'
summary: s
description: d
type: gadget
architectures: [all]
slots:
  bcm-gpio-17: {interface: gpio, number: 17}
  bcm-gpio-27: {interface: gpio, number: 27}
",
                    false,
                ),
                ("meta/gadget.yaml", GADGET, false),
            ],
        );
        let versions = (1..=4).map(|version| {
            let yaml = lights(&version.to_string());
            let hooks = [
                "install",
                "configure",
                "check-health",
                "remove",
                "pre-refresh",
                "post-refresh",
                "prepare-plug-pin",
                "connect-plug-pin",
                "disconnect-plug-pin",
            ];
            let paths: Vec<String> = hooks.iter().map(|hook| format!("meta/hooks/{hook}")).collect();
            let mut files: Vec<(&str, &str, bool)> = vec![
                ("meta/snap.yaml", &yaml, false),
                ("bin/lights", "#!/bin/sh\nexec sleep 1000\n", true),
                (
                    "meta/gui/say.desktop",
                    "[Desktop Entry]\nName=Say\nExec=lights.say\n",
                    false,
                ),
                ("bin/say", SAY, true),
            ];
            files.extend(paths.iter().map(|path| {
                let configures = path.ends_with("/configure");
                (path.as_str(), if configures { CONFIGURE } else { HOOK }, true)
            }));
            pack(dir, &format!("lights-{version}"), &files)
        });
        Self {
            base,
            gadget,
            lights: versions.collect(),
            folder: dir.join("lights-4.tree"),
        }
    }
}
