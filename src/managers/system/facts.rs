//! Facts of the device that do not change while the agent runs.

use crate::confine;
use crate::domain::Dirs;
use std::path::{Path, PathBuf};

/// What `/etc/os-release` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsRelease {
    /// `ubuntu-core`, `ubuntu`, `debian`, …; `linux` when it is not said.
    pub id: String,
    /// Empty when it is not said.
    pub version_id: String,
}

/// Everything that system-info tells.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Ours, with a leading part that a snap's `assumes: snapdX.Y` can be held against (decision 14).
    pub version: String,
    pub os_release: OsRelease,
    /// Any system that is not Ubuntu Core (decision 13).
    pub on_classic: bool,
    pub kernel_version: String,
    /// Debian's name of the architecture.
    pub architecture: &'static str,
    pub snap_mount_dir: PathBuf,
    pub snap_bin_dir: PathBuf,
    /// What the launcher takes from a strict snap (decision 38).
    pub enforced: Vec<&'static str>,
    /// The agent runs as an ordinary user, who has root's rights on its sockets.
    pub developer_mode: bool,
}

/// The contract's level that the agent answers at.
const LEVEL: &str = "2.57.6";

impl Facts {
    pub(super) fn read(dirs: &Dirs, developer_mode: bool) -> Self {
        let os_release = read_os_release();
        let kernel_version = nix::sys::utsname::uname()
            .map(|names| names.release().to_string_lossy().into_owned())
            .unwrap_or_default();
        Self {
            version: format!("{LEVEL}+pinion{}", env!("CARGO_PKG_VERSION")),
            on_classic: os_release.id != "ubuntu-core",
            os_release,
            kernel_version,
            architecture: debian_architecture(std::env::consts::ARCH),
            snap_mount_dir: dirs.snap_mounts(),
            snap_bin_dir: dirs.snap_bin(),
            enforced: confine::enforced(),
            developer_mode,
        }
    }
}

fn read_os_release() -> OsRelease {
    let text = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(Path::new(path)).ok());
    parse_os_release(&text.unwrap_or_default())
}

fn parse_os_release(text: &str) -> OsRelease {
    let value = |name: &str| {
        text.lines()
            .filter_map(|line| line.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    let id = value("ID");
    OsRelease {
        id: if id.is_empty() { String::from("linux") } else { id },
        version_id: value("VERSION_ID"),
    }
}

fn debian_architecture(machine: &'static str) -> &'static str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "x86" => "i386",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read_with_and_without_quotes() {
        let table = [
            ("ID=ubuntu-core\nVERSION_ID=\"24\"\n", "ubuntu-core", "24"),
            ("# x\nNAME=\"a b\"\nID='debian'\n", "debian", ""),
            ("", "linux", ""),
        ];
        for (text, id, version_id) in table {
            let release = parse_os_release(text);
            assert_eq!(
                (release.id.as_str(), release.version_id.as_str()),
                (id, version_id)
            );
        }
    }
}
