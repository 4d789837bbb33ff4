//! Whether the files that a snap names are in it and can be used (contract: snaps-and-assertions, section 1,
//! "container check").

use super::content::{Content, Thing};
use crate::domain::SnapInfo;
use crate::domain::snap::AppInfo;
use crate::drivers::squashfs::{EntryKind, ImageError};
use std::collections::VecDeque;

/// How many links are followed for one path.
const MAX_LINKS: usize = 16;

/// Why a snap cannot be used as it is packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Files that snap.yaml names are not there.
    #[error("snap is unusable due to missing files: add {0} and pack it again")]
    Missing(String),
    /// Files are there but may not be used.
    #[error("snap is unusable due to bad permissions: {0}")]
    Permissions(String),
    /// The image could not be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<ImageError> for ContainerError {
    fn from(error: ImageError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Where a path in a snap leads.
enum Found {
    Thing(Thing),
    Missing,
    /// Out of the snap, into its base.
    Outside,
}

/// Checks everything that the snap names.
pub(super) fn check(content: &Content, info: &SnapInfo) -> Result<(), ContainerError> {
    let mut missing = Vec::new();
    let mut wrong = Vec::new();
    for folder in ["", "meta"] {
        if let Found::Thing(entry) = resolve(content, folder)?
            && entry.mode & 0o555 != 0o555
        {
            wrong.push(format!("make {:?} readable for all", shown(folder)));
        }
    }
    if let Found::Thing(entry) = resolve(content, "meta/snap.yaml")?
        && entry.mode & 0o444 != 0o444
    {
        wrong.push(String::from("make \"meta/snap.yaml\" readable for all"));
    }
    for app in info.apps.values() {
        for path in commands(app) {
            match resolve(content, &path)? {
                Found::Missing => missing.push(format!("{path:?} (app {:?})", app.name)),
                Found::Outside => {}
                Found::Thing(entry) => {
                    let needed = if app.is_service() { 0o100 } else { 0o555 };
                    let runs = matches!(entry.kind, EntryKind::File(_)) && entry.mode & needed == needed;
                    if !runs {
                        wrong.push(format!(
                            "make {path:?} a file that can be run (app {:?})",
                            app.name
                        ));
                    }
                }
            }
        }
    }
    for hook in info.hooks.keys() {
        let path = format!("meta/hooks/{hook}");
        match resolve(content, &path)? {
            Found::Missing => missing.push(format!("{path:?}")),
            Found::Thing(entry) if entry.mode & 0o100 == 0 => {
                wrong.push(format!("make {path:?} a file that can be run"));
            }
            Found::Thing(_) | Found::Outside => {}
        }
    }
    if !missing.is_empty() {
        return Err(ContainerError::Missing(missing.join(", ")));
    }
    if !wrong.is_empty() {
        return Err(ContainerError::Permissions(wrong.join(", ")));
    }
    Ok(())
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// The files that an app runs, relative to the snap's root.
fn commands(app: &AppInfo) -> Vec<String> {
    let commands = [
        Some(&app.command),
        app.stop_command.as_ref(),
        app.reload_command.as_ref(),
        app.post_stop_command.as_ref(),
    ];
    commands
        .into_iter()
        .flatten()
        .filter_map(|command| command.split_whitespace().next())
        .chain(app.command_chain.iter().map(String::as_str))
        .map(|path| path.strip_prefix("$SNAP/").unwrap_or(path).to_owned())
        .filter(|path| !path.contains('$'))
        .collect()
}

/// Follows a path with the links on it, inside the snap.
fn resolve(content: &Content, path: &str) -> Result<Found, ImageError> {
    let mut left: VecDeque<String> = parts(path);
    let mut here: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            if here.pop().is_none() {
                return Ok(Found::Outside);
            }
            continue;
        }
        here.push(part);
        let Some(entry) = content.find(&here.join("/"))? else {
            return Ok(Found::Missing);
        };
        if let EntryKind::Link(target) = &entry.kind {
            links += 1;
            let target = String::from_utf8_lossy(target);
            if target.starts_with('/') {
                return Ok(Found::Outside);
            }
            if links > MAX_LINKS {
                return Ok(Found::Missing);
            }
            here.pop();
            for part in parts(&target).into_iter().rev() {
                left.push_front(part);
            }
        }
    }
    match content.find(&here.join("/"))? {
        Some(entry) => Ok(Found::Thing(entry)),
        None => Ok(Found::Missing),
    }
}

fn parts(path: &str) -> VecDeque<String> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect()
}
