//! The rules for `layout`.

use super::raw::RawLayout;
use super::{SnapYamlError, words};
use crate::domain::snap::LayoutInfo;
use std::collections::BTreeMap;

/// Places where no snap may put something (contract: snaps-and-assertions, section 1).
const FORBIDDEN: [&str; 15] = [
    "/dev",
    "/proc",
    "/sys",
    "/media",
    "/run",
    "/tmp",
    "/var/lib/snapd",
    "/var/run",
    "/lib/firmware",
    "/lib/modules",
    "/var/snap",
    "/home",
    "/boot",
    "/lost+found",
    "/snap",
];

/// Folders at the top that every base has; a layout makes no new ones.
const TOP: [&str; 14] = [
    "bin", "etc", "lib", "lib32", "lib64", "libx32", "mnt", "opt", "root", "sbin", "srv", "usr", "var",
    "writable",
];

/// How a path becomes clean.
const CLEAN: &str = "leave out ., .. and slashes that are doubled or at the end";

/// All entries, by path.
pub(super) fn all(raw: BTreeMap<String, RawLayout>) -> Result<Vec<LayoutInfo>, SnapYamlError> {
    let mut layout: Vec<LayoutInfo> = Vec::with_capacity(raw.len());
    for (path, entry) in raw {
        let entry = one(&path, entry)?;
        if let Some(above) = layout.iter().find(|other| is_below(&path, &other.path)) {
            return Err(wrong(
                &path,
                &format!("it is beneath the layout {:?}", above.path),
                "use places that do not contain each other",
            ));
        }
        layout.push(entry);
    }
    Ok(layout)
}

fn wrong(path: &str, what: &str, advice: &str) -> SnapYamlError {
    super::rule(format!("layout {path:?} is wrong, {what}: {advice}"))
}

fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

/// The path after `$SNAP`, `$SNAP_DATA` or `$SNAP_COMMON`, if it starts with one of them.
fn in_snap(path: &str) -> Option<&str> {
    ["$SNAP", "$SNAP_DATA", "$SNAP_COMMON"].iter().find_map(|start| {
        path.strip_prefix(start)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What stands after the variable is nothing or a clean path.
fn is_clean_below(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix('/').is_some_and(words::is_clean_path)
}

fn one(path: &str, raw: RawLayout) -> Result<LayoutInfo, SnapYamlError> {
    place(path)?;
    let tmpfs = match raw.kind.as_deref() {
        None => false,
        Some("tmpfs") => true,
        Some(other) => return Err(wrong(path, &format!("its type is {other:?}"), "use tmpfs")),
    };
    let given = [
        raw.bind.is_some(),
        raw.bind_file.is_some(),
        tmpfs,
        raw.symlink.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err(wrong(
            path,
            "it does not say exactly one way",
            "use one of bind, bind-file, type or symlink",
        ));
    }
    for source in [&raw.bind, &raw.bind_file, &raw.symlink].into_iter().flatten() {
        match in_snap(source) {
            None => {
                return Err(wrong(
                    path,
                    &format!("its source {source:?} is not in the snap"),
                    "start it with $SNAP, $SNAP_DATA or $SNAP_COMMON",
                ));
            }
            Some(rest) if !is_clean_below(rest) => {
                return Err(wrong(path, &format!("its source {source:?} is not clean"), CLEAN));
            }
            Some(_) => {}
        }
    }
    for (what, text) in [("user", &raw.user), ("group", &raw.group)] {
        if text
            .as_deref()
            .is_some_and(|text| !["root", "nobody", "nogroup"].contains(&text))
        {
            return Err(wrong(path, &format!("its {what} is unknown"), "use root"));
        }
    }
    let mode = match &raw.mode {
        None => 0o755,
        Some(text) => words::octal_mode(text, 0o1777).ok_or_else(|| {
            wrong(
                path,
                &format!("its mode {text:?}"),
                "use an octal number up to 01777",
            )
        })?,
    };
    Ok(LayoutInfo {
        path: path.to_owned(),
        bind: raw.bind,
        bind_file: raw.bind_file,
        tmpfs,
        symlink: raw.symlink,
        user: raw.user.unwrap_or_else(|| String::from("root")),
        group: raw.group.unwrap_or_else(|| String::from("root")),
        mode,
    })
}

fn place(path: &str) -> Result<(), SnapYamlError> {
    if let Some(rest) = in_snap(path) {
        return if is_clean_below(rest) {
            Ok(())
        } else {
            Err(wrong(path, "its path is not clean", CLEAN))
        };
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err(wrong(path, "its path is relative", "start it with / or $SNAP"));
    };
    if !words::is_clean_path(rest) {
        return Err(wrong(path, "its path is not clean", CLEAN));
    }
    if FORBIDDEN.iter().any(|dir| path == *dir || is_below(path, dir)) {
        return Err(wrong(
            path,
            "that place belongs to the system",
            "choose another one",
        ));
    }
    let top = rest.split('/').next().unwrap_or_default();
    if !TOP.contains(&top) {
        return Err(wrong(
            path,
            "it would make a new folder at the top",
            "use a folder that the base has",
        ));
    }
    if rest == top {
        return Err(wrong(
            path,
            "it would hide a whole folder of the base",
            "use a place below it",
        ));
    }
    Ok(())
}
