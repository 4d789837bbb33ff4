//! `personal-files` and `system-files`: paths that the plug lists (contract: interfaces-and-hardware, section 5).

use super::Offered::Everywhere;
use super::custom_device::check_path;
use super::matcher::clean;
use super::{Interface, plain, values};
use crate::domain::snap::EndInfo;

pub(super) const PERSONAL_FILES: Interface = plain("personal-files", "listed files in the user's home")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| {
        check(plug, |path| {
            let below = path.strip_prefix("$HOME/");
            let bare = below.map(|below| below.trim_end_matches('/'));
            match bare {
                Some(bare)
                    if !bare.is_empty() && clean(bare) == bare && !path.contains(['"', '@', '*', '~']) =>
                {
                    Ok(())
                }
                _ => Err(format!(
                    "personal-files path {path:?} must start with \"$HOME/\" and be clean"
                )),
            }
        })
    });

pub(super) const SYSTEM_FILES: Interface = plain("system-files", "listed files of the system")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| check(plug, |path| check_path(path, "system-files", |path| path != "/")));

fn check(plug: &EndInfo, path: fn(&str) -> Result<(), String>) -> Result<(), String> {
    let read = values::texts(plug, "read")?;
    let write = values::texts(plug, "write")?;
    if read.is_empty() && write.is_empty() {
        return Err(format!(
            "cannot add {} plug: needs valid \"read\" or \"write\" attribute",
            plug.interface
        ));
    }
    read.iter().chain(&write).try_for_each(|item| path(item))
}
