//! Desktop files: what a snap tells a desktop of its apps, rewritten so that it can start nothing but these
//! (contract: snaps-and-assertions, section 2, `desktop/`).
//!
//! Kept are the groups and keys that say how an app looks and is found; a line that could start another program or
//! lead out of the snap is left out.

use super::Snaps;
use super::content::Content;
use crate::domain::{Dirs, Revision, SnapInfo, SnapName, names};
use crate::drivers::fs::{self, FileError};
use crate::drivers::squashfs::{EntryKind, ImageError};
use std::path::{Path, PathBuf};

/// Where a snap has them.
const FOLDER: &str = "meta/gui";
/// How long one may be, in bytes.
const MAX_SIZE: u64 = 64 * 1024;
/// How many of a snap are looked at.
const MAX_FILES: usize = 32;

/// Keys that are kept as they stand.
const KEYS: [&str; 18] = [
    "Type",
    "Version",
    "NoDisplay",
    "Hidden",
    "OnlyShowIn",
    "NotShowIn",
    "Terminal",
    "Actions",
    "MimeType",
    "Categories",
    "StartupNotify",
    "StartupWMClass",
    "PrefersNonDefaultGPU",
    "SingleMainWindow",
    "X-Ayatana-Desktop-Shortcuts",
    "TargetEnvironment",
    "Implements",
    "X-GNOME-UsesNotifications",
];

/// Keys that may have a language, as in `Name[de]`.
const IN_LANGUAGES: [&str; 4] = ["Name", "GenericName", "Comment", "Keywords"];

/// The names of a snap's desktop files that can be used, sorted.
pub(super) fn usable(content: &Content) -> Result<Vec<String>, ImageError> {
    let mut files = content.files_in(FOLDER)?;
    files.retain(|name| name.ends_with(".desktop") && names::is_alias(name));
    files.sort();
    files.truncate(MAX_FILES);
    files.retain(|name| read(content, name).is_ok());
    Ok(files)
}

fn read(content: &Content, name: &str) -> Result<String, ImageError> {
    let unusable = || ImageError::NotFound(format!("usable desktop file {name}"));
    let folder = content.find(FOLDER)?.ok_or_else(unusable)?;
    if folder.kind != EntryKind::Folder {
        return Err(unusable());
    }
    let bytes = content.read(&format!("{FOLDER}/{name}"), MAX_SIZE)?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| text.lines().any(|line| line.trim_end() == "[Desktop Entry]"))
        .ok_or_else(unusable)
}

/// A desktop file as it is installed.
pub(super) fn rewritten(dirs: &Dirs, info: &SnapInfo, file: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_group = true;
    for line in text.lines().map(str::trim_end) {
        if line.chars().any(|c| c.is_control() && c != '\t') {
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        } else if line.starts_with('[') {
            in_group = is_group(line);
            if in_group {
                out.push_str(&format!("{line}\n"));
            }
            if line == "[Desktop Entry]" {
                out.push_str(&format!("X-SnapInstanceName={}\n", info.name));
            }
        } else if in_group && let Some(kept) = kept(dirs, info, file, line) {
            out.push_str(&format!("{kept}\n"));
        }
    }
    out
}

fn is_group(line: &str) -> bool {
    let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name == "Desktop Entry"
        || name.strip_prefix("Desktop Action ").is_some_and(word)
        || name.strip_suffix(" Shortcut Group").is_some_and(word)
}

/// What becomes of a line with a key; `None` when it is left out.
fn kept(dirs: &Dirs, info: &SnapInfo, file: &str, line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    match key {
        "Exec" => Some(format!("Exec={}", exec(dirs, info, file, value)?)),
        "Icon" => Some(format!("Icon={}", icon(dirs, &info.name, value)?)),
        _ if KEYS.contains(&key) || IN_LANGUAGES.contains(&key) => Some(line.to_owned()),
        _ => {
            let (name, language) = key.strip_suffix(']')?.split_once('[')?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"@_.-".contains(&b);
            (IN_LANGUAGES.contains(&name) && language.bytes().all(plain)).then(|| line.to_owned())
        }
    }
}

/// The command of an app by its wrapper, with what follows it; a file that is called as an app starts that one.
fn exec(dirs: &Dirs, info: &SnapInfo, file: &str, value: &str) -> Option<String> {
    let (command, arguments) = match value.split_once(' ') {
        Some((command, _)) => (command, &value[command.len()..]),
        None => (value, ""),
    };
    let mut apps = info.apps.values().filter(|app| !app.is_service());
    let snap = info.name.as_str();
    let named = apps
        .clone()
        .any(|app| names::app_command(snap, &app.name) == command);
    if named {
        return Some(format!("{}{arguments}", quoted(&dirs.snap_bin().join(command))));
    }
    let app = apps.find(|app| file.strip_suffix(".desktop") == Some(&app.name))?;
    Some(quoted(&dirs.snap_bin().join(names::app_command(snap, &app.name))))
}

/// A path as an argument of `Exec`.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) {
        return text.into_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if "\"`$\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out + "\""
}

/// A picture of the snap, or the name of one that the desktop has.
fn icon(dirs: &Dirs, snap: &SnapName, value: &str) -> Option<String> {
    if let Some(inside) = value.strip_prefix("${SNAP}/") {
        let stays = Path::new(inside)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let path = dirs.snap_mount_dir(snap).join("current").join(inside);
        return stays.then(|| path.to_string_lossy().into_owned());
    }
    names::is_alias(value).then(|| value.to_owned())
}

impl Snaps {
    /// Where the desktop files of a snap are installed, with their names in the snap.
    pub(super) fn desktop_places<'a>(&self, info: &'a SnapInfo) -> Vec<(PathBuf, &'a str)> {
        let place = |name: &'a String| (self.dirs.desktop_file(&info.name, name), name.as_str());
        info.desktop_files.iter().map(place).collect()
    }

    /// Installs the desktop files of a revision, which is mounted.
    pub(super) fn put_desktop_files(&self, info: &SnapInfo, revision: Revision) -> Result<(), FileError> {
        if info.desktop_files.is_empty() {
            return Ok(());
        }
        fs::make_dir(&self.dirs.desktop_files(), 0o755)?;
        let content = Content::Folder(self.dirs.snap_mount(&info.name, revision));
        for (path, name) in self.desktop_places(info) {
            // In a folder that somebody works on it may have gone since.
            let text = read(&content, name).unwrap_or_else(|error| {
                log::warn!(
                    "the desktop file {name} of snap {} is not there: {error}",
                    info.name
                );
                String::from("[Desktop Entry]\nHidden=true\n")
            });
            fs::write_volatile(&path, rewritten(&self.dirs, info, name, &text).as_bytes(), 0o644)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managers::snaps::yaml;
    use proptest::prelude::*;

    fn info() -> SnapInfo {
        let text = "name: tool\nversion: '1'\nbase: bare\napps:\n  tool: {command: bin/x}\n  view: {command: bin/x}\n  served: {command: bin/x, daemon: simple}\n";
        yaml::parse_snap_yaml(text.as_bytes()).expect("valid")
    }

    fn lines(file: &str, text: &str) -> Vec<String> {
        let text = format!("[Desktop Entry]\n{text}\n");
        let out = rewritten(&Dirs::new("/"), &info(), file, &text);
        let mut lines = out.lines();
        assert_eq!(lines.next(), Some("[Desktop Entry]"));
        assert_eq!(lines.next(), Some("X-SnapInstanceName=tool"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn only_the_snaps_own_apps_are_started() {
        for (exec, expected) in [
            ("tool", Some("/snap/bin/tool")),
            ("tool.view %U --new", Some("/snap/bin/tool.view %U --new")),
            ("tool.served", None),
            ("tool.none", None),
            ("toolx", None),
            ("/bin/sh -c tool", None),
            ("sh", None),
            ("", None),
            (" tool", None),
        ] {
            let expected: Vec<String> = expected.iter().map(|exec| format!("Exec={exec}")).collect();
            assert_eq!(
                lines("other.desktop", &format!("Exec={exec}")),
                expected,
                "{exec:?}"
            );
        }
        // A file with the name of an app starts that app, whatever it says.
        assert_eq!(
            lines("view.desktop", "Exec=/opt/x --evil"),
            ["Exec=/snap/bin/tool.view"]
        );
        assert!(lines("served.desktop", "Exec=/opt/x").is_empty());
    }

    #[test]
    fn pictures_are_the_snaps_or_the_desktops() {
        for (icon, expected) in [
            (
                "${SNAP}/meta/gui/icon.png",
                Some("/snap/tool/current/meta/gui/icon.png"),
            ),
            ("utilities-terminal", Some("utilities-terminal")),
            ("${SNAP}/../../etc/x.png", None),
            ("${SNAP}//etc/x.png", None),
            ("/etc/x.png", None),
            ("../x.png", None),
            ("${SNAP}", None),
            ("", None),
        ] {
            let expected: Vec<String> = expected.iter().map(|icon| format!("Icon={icon}")).collect();
            assert_eq!(lines("x.desktop", &format!("Icon={icon}")), expected, "{icon:?}");
        }
    }

    #[test]
    fn what_could_start_or_say_something_else_is_left_out() {
        for line in [
            "TryExec=sh",
            "DBusActivatable=true",
            "Path=/",
            "Exec[de]=sh",
            " Exec=sh",
            "Exec =sh",
            "X-Evil=1",
            "no key at all",
            "Name[de/../x]=a",
            "Name[de=a",
            "Name=\u{1b}[2J",
            "Name=a\rExec=sh",
        ] {
            assert!(lines("x.desktop", line).is_empty(), "{line:?}");
        }
        for line in [
            "Name=a b",
            "Name[sr@latin]=ä",
            "Keywords[de]=a;b;",
            "Terminal=true",
            "# said",
            "",
        ] {
            assert_eq!(lines("x.desktop", line), [line], "{line:?}");
        }
        let groups = "[Desktop Action New]\nExec=tool --new\n[Evil Group]\nName=x\nExec=tool\n[Desktop Action a b]\nName=y\n[New Shortcut Group]\nName=z";
        assert_eq!(
            lines("x.desktop", groups),
            [
                "[Desktop Action New]",
                "Exec=/snap/bin/tool --new",
                "[New Shortcut Group]",
                "Name=z"
            ]
        );
    }

    proptest! {
        /// Whatever stands in the file: what comes out starts the snap's apps only and says nothing else.
        #[test]
        fn any_file_starts_the_snaps_apps_only(
            lines in prop::collection::vec(
                prop_oneof![
                    6 => "(Exec|Icon|Name|TryExec|Path|X-SnapInstanceName|Name\\[[a-z/]{0,3}\\])=(tool|tool.view|sh|\\$\\{SNAP\\}/|\\.\\./)?.{0,6}",
                    1 => "(Exec|Icon) ?= ?.{0,9}",
                    1 => "\\[.{0,4}(Desktop Entry)?\\]|.{0,9}",
                ],
                0..9,
            ),
            end in prop::sample::select(vec!["\n", "\r\n", "\r", "\u{2028}"]),
        ) {
            let text = format!("[Desktop Entry]\n{}", lines.join(end));
            let out = rewritten(&Dirs::new("/"), &info(), "view.desktop", &text);
            prop_assert!(!out.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
            for line in out.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty()) {
                let (key, value) = line.split_once('=').expect("a key and a value");
                match key {
                    "Exec" => {
                        let program = value.split(' ').next().expect("a program");
                        prop_assert!(["/snap/bin/tool", "/snap/bin/tool.view"].contains(&program), "{line}");
                    }
                    "Icon" => {
                        prop_assert!(value.split('/').all(|part| part != ".."), "{line}");
                        prop_assert!(!value.contains('/') || value.starts_with("/snap/tool/current/"), "{line}");
                    }
                    "X-SnapInstanceName" => prop_assert_eq!(value, "tool"),
                    _ => {
                        let name = key.split('[').next().unwrap_or_default();
                        prop_assert!(KEYS.contains(&name) || IN_LANGUAGES.contains(&name), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_root_with_blanks_is_quoted() {
        let out = rewritten(
            &Dirs::new("/a b$"),
            &info(),
            "x.desktop",
            "[Desktop Entry]\nExec=tool %f\n",
        );
        assert!(out.contains("Exec=\"/a b\\$/snap/bin/tool\" %f\n"), "{out}");
    }
}
