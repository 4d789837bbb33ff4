//! Snap files for tests, packed by the real command, and what an end leaves of them.

use super::TestDaemon;
use super::daemon::binary;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A base with nothing in it.
pub const BASE: &str = "name: test-base\nversion: '1'\ntype: base\n";

/// Packs a folder that holds this snap.yaml and these files (path, content; what stands in `bin` or `hooks` can be
/// run).
pub fn pack(yaml: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    let all = files.iter().copied().chain([("meta/snap.yaml", yaml)]);
    for (path, content) in all {
        let file = source.join(path);
        let parent = file.parent().unwrap();
        std::fs::create_dir_all(parent).unwrap();
        std::fs::write(&file, content).unwrap();
        let runs = parent.ends_with("bin") || parent.ends_with("hooks");
        let mode = if runs { 0o755 } else { 0o644 };
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    }
    packed(&source)
}

/// The snap file that our own packer makes of a folder.
pub fn packed(source: &Path) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.snap");
    let packed = Command::new(binary())
        .arg("pack")
        .arg(source)
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        packed.status.success(),
        "{}",
        String::from_utf8_lossy(&packed.stderr)
    );
    std::fs::read(out).unwrap()
}

/// A file that our own packer would refuse.
pub fn pack_anyhow(daemon: &TestDaemon, yaml: &str) -> Vec<u8> {
    let (source, file) = (
        daemon.scratch().join("source"),
        daemon.scratch().join("file.snap"),
    );
    std::fs::create_dir_all(source.join("meta")).unwrap();
    std::fs::write(source.join("meta/snap.yaml"), yaml).unwrap();
    let packed = Command::new("mksquashfs")
        .args([&source, &file])
        .args(["-noappend", "-quiet", "-no-progress"])
        .status()
        .expect("mksquashfs is installed");
    assert!(packed.success());
    std::fs::read(file).unwrap()
}

impl TestDaemon {
    /// Installs snaps from files by one form, which must end in Done.
    pub fn install(&self, files: &[(&str, &[u8])]) -> serde_json::Value {
        let parts: Vec<(&str, &str, &[u8])> = files
            .iter()
            .map(|(name, content)| ("snap", *name, *content))
            .collect();
        self.done(&self.post_form("/v2/snaps", &[("dangerous", "true")], &parts))
    }
}

/// Lets go of what a killed daemon left mounted below a folder, and makes unpacked snaps removable.
pub fn let_go(dir: &Path) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|target| Path::new(target).starts_with(dir))
        .collect();
    for target in mounted.into_iter().rev() {
        // What cannot be unmounted is somebody else's.
        let _ = nix::mount::umount2(target, nix::mount::MntFlags::MNT_DETACH);
    }
    open_up(dir);
}

fn open_up(dir: &Path) {
    if !std::fs::symlink_metadata(dir).is_ok_and(|file| file.is_dir()) {
        return;
    }
    let _ = std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755));
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        open_up(&entry.path());
    }
}
