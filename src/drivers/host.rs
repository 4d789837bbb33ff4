//! What of the host itself the agent sets: its name and its time zone.

use super::fs::{self, FileError, Named};
use crate::domain::Dirs;
use std::path::{Path, PathBuf};

/// Where the time zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// What the host is called, and which time it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    pub hostname: Option<String>,
    /// As below `/usr/share/zoneinfo`: `Europe/Paris`.
    pub timezone: Option<String>,
}

/// What the host has now.
pub fn present() -> Host {
    let hostname = nix::unistd::gethostname().ok();
    let zone = std::fs::read_link("/etc/localtime").ok();
    Host {
        hostname: hostname.and_then(|name| name.into_string().ok()),
        timezone: zone.and_then(|zone| Some(zone.strip_prefix(ZONES).ok()?.to_str()?.to_owned())),
    }
}

/// Gives the host what is wanted; what is not said stays. False, and nothing done, where the agent does not manage the
/// host that it runs on, or may not.
pub fn settle(dirs: &Dirs, wanted: &Host) -> Result<bool, FileError> {
    if !dirs.is_host() || !nix::unistd::geteuid().is_root() {
        return Ok(false);
    }
    if let Some(name) = &wanted.hostname {
        nix::unistd::sethostname(name).named("set the host's name in", Path::new("/etc/hostname"))?;
        write_hostname(dirs, name)?;
    }
    if let Some(zone) = &wanted.timezone {
        set_timezone(dirs, zone)?;
    }
    Ok(true)
}

/// A file of `/etc`, or what it links to: on Ubuntu Core these are links to where can be written.
fn resolved(path: PathBuf) -> PathBuf {
    match std::fs::read_link(&path) {
        Ok(target) => path.parent().map_or(target.clone(), |dir| dir.join(&target)),
        Err(_) => path,
    }
}

fn write_hostname(dirs: &Dirs, name: &str) -> Result<(), FileError> {
    let path = resolved(dirs.root().join("etc/hostname"));
    fs::write_atomic(&path, format!("{name}\n").as_bytes(), 0o644)
}

fn set_timezone(dirs: &Dirs, zone: &str) -> Result<(), FileError> {
    let zones = Path::new(ZONES);
    let file = zones.join(zone);
    std::fs::metadata(&file).named("find the time zone", &file)?;
    let etc = dirs.root().join("etc");
    let writable = etc.join("writable");
    let folder = if writable.is_dir() { writable } else { etc };
    fs::link_atomic(&file, &folder.join("localtime"))?;
    fs::write_atomic(&folder.join("timezone"), format!("{zone}\n").as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_written_where_they_can_be() {
        let root = tempfile::tempdir().expect("a folder");
        let etc = root.path().join("etc");
        std::fs::create_dir_all(etc.join("writable")).expect("a folder");
        symlink("writable/hostname", etc.join("hostname")).expect("a link");
        let dirs = Dirs::new(root.path());
        write_hostname(&dirs, "greenhouse").expect("written");
        let written = std::fs::read_to_string(etc.join("writable/hostname")).expect("the file");
        assert_eq!(written, "greenhouse\n");
        assert!(etc.join("hostname").is_symlink(), "the link stays");
        if !Path::new(ZONES).join("Europe/Paris").exists() {
            return;
        }
        set_timezone(&dirs, "Europe/Paris").expect("set");
        let link = std::fs::read_link(etc.join("writable/localtime")).expect("a link");
        assert_eq!(link, Path::new("/usr/share/zoneinfo/Europe/Paris"));
        assert!(set_timezone(&dirs, "Nowhere/At-All").is_err());
    }

    #[test]
    fn only_the_own_host_is_touched() {
        let root = tempfile::tempdir().expect("a folder");
        let wanted = Host {
            hostname: Some(String::from("other")),
            timezone: None,
        };
        let done = settle(&Dirs::new(root.path()), &wanted);
        assert!(matches!(done, Ok(false)), "{done:?}");
        assert_ne!(present().hostname.as_deref(), Some("other"));
    }
}
