//! Chips made of some lines of another chip by the kernel's gpio-aggregator, through configfs where the kernel has it
//! (6.16, or backported), else through the driver's `new_device` (contract: v2-newer, section 8).

use crate::drivers::fs::{self, FileError, Named};
use crate::drivers::process::{self, Job};
use nix::sys::stat::{Mode, SFlag, mknod};
use std::fs as files;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Loading a kernel module takes at most this long.
const MODULE_TIMEOUT: Duration = Duration::from_secs(10);

/// The kernel's gpio-aggregator, if it has one.
#[derive(Clone, Debug)]
pub struct Aggregators {
    sysfs: PathBuf,
    dev: PathBuf,
}

/// How the kernel wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Configfs,
    NewDevice,
}

/// A chip that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What [`Aggregators::delete`] takes.
    pub id: String,
    /// The new chip's name (`gpiochip3`).
    pub chip: String,
}

/// Why there is no chip.
#[derive(Debug, thiserror::Error)]
pub enum AggregatorError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the kernel's aggregator {device} made no chip")]
    NoChip { device: String },
}

impl Aggregators {
    /// The kernel's, with what stands for `/sys` and `/dev`.
    pub fn new(sysfs: impl Into<PathBuf>, dev: impl Into<PathBuf>) -> Self {
        Self {
            sysfs: sysfs.into(),
            dev: dev.into(),
        }
    }

    fn configfs(&self) -> PathBuf {
        self.sysfs.join("kernel/config/gpio-aggregator")
    }

    fn driver(&self) -> PathBuf {
        self.sysfs.join("bus/platform/drivers/gpio-aggregator")
    }

    /// How chips can be made now.
    pub fn way(&self) -> Option<Way> {
        if self.configfs().is_dir() {
            return Some(Way::Configfs);
        }
        self.driver()
            .join("new_device")
            .exists()
            .then_some(Way::NewDevice)
    }

    /// Asks for the kernel's module; [`Aggregators::way`] tells whether that helped. May block for seconds.
    pub fn load(&self) {
        let job = Job {
            program: PathBuf::from("/sbin/modprobe"),
            args: vec!["-q".into(), "gpio-aggregator".into()],
            owner: String::from("modprobe"),
            ..Job::default()
        };
        if let Err(error) = process::run(&job, MODULE_TIMEOUT, None) {
            log::info!("gpio-aggregator could not be asked for: {error}");
        }
    }

    /// Makes a chip of some lines of the chip with that label. `group` names it in configfs; one of that name is taken
    /// over when it has just these lines, since an app may have it open, and replaced otherwise.
    pub fn create(
        &self,
        way: Way,
        group: &str,
        label: &str,
        offsets: &[u32],
    ) -> Result<Made, AggregatorError> {
        match way {
            Way::Configfs => self.create_group(group, label, offsets),
            Way::NewDevice => self.create_device(label, offsets),
        }
    }

    fn create_group(&self, group: &str, label: &str, offsets: &[u32]) -> Result<Made, AggregatorError> {
        let dir = self.configfs().join(group);
        let id = format!("configfs:{group}");
        if dir.exists() {
            if let Some(chip) = self.same_group(&dir, label, offsets) {
                return Ok(Made { id, chip });
            }
            self.delete(&id)?;
        }
        let made = (|| {
            files::create_dir(&dir).named("create", &dir)?;
            for (index, offset) in offsets.iter().enumerate() {
                let line = dir.join(format!("line{index}"));
                files::create_dir(&line).named("create", &line)?;
                write(&line.join("key"), label)?;
                write(&line.join("offset"), &offset.to_string())?;
            }
            write(&dir.join("live"), "1")?;
            let name = dir.join("dev_name");
            let device = files::read_to_string(&name).named("read", &name)?;
            let device = device.trim();
            let chip = self.chip_of(device).ok_or_else(|| AggregatorError::NoChip {
                device: device.to_owned(),
            })?;
            Ok(Made { id: id.clone(), chip })
        })();
        if made.is_err()
            && let Err(error) = self.delete(&id)
        {
            log::warn!("{}", error.in_full());
        }
        made
    }

    /// The chip of a group that is live and has just these lines.
    fn same_group(&self, dir: &Path, label: &str, offsets: &[u32]) -> Option<String> {
        let word = |path: PathBuf| Some(files::read_to_string(path).ok()?.trim().to_owned());
        if word(dir.join("live"))? != "1" || dir.join(format!("line{}", offsets.len())).exists() {
            return None;
        }
        for (index, offset) in offsets.iter().enumerate() {
            let line = dir.join(format!("line{index}"));
            if word(line.join("key"))? != label || word(line.join("offset"))? != offset.to_string() {
                return None;
            }
        }
        self.chip_of(&word(dir.join("dev_name"))?)
    }

    fn create_device(&self, label: &str, offsets: &[u32]) -> Result<Made, AggregatorError> {
        let before = self.devices();
        let offsets: Vec<_> = offsets.iter().map(ToString::to_string).collect();
        write(
            &self.driver().join("new_device"),
            &format!("\"{label}\" {}", offsets.join(",")),
        )?;
        let Some(device) = self.devices().into_iter().find(|device| !before.contains(device)) else {
            return Err(AggregatorError::NoChip {
                device: String::from("gpio-aggregator"),
            });
        };
        match self.chip_of(&device) {
            Some(chip) => Ok(Made {
                id: format!("device:{device}"),
                chip,
            }),
            None => {
                self.delete(&format!("device:{device}"))?;
                Err(AggregatorError::NoChip { device })
            }
        }
    }

    /// A chip that is there already, made through `new_device` before.
    pub fn adopt(&self, device: &str) -> Option<Made> {
        Some(Made {
            id: format!("device:{device}"),
            chip: self.chip_of(device)?,
        })
    }

    /// Takes a chip apart; one that is not there is fine.
    pub fn delete(&self, id: &str) -> Result<(), FileError> {
        if let Some(group) = id.strip_prefix("configfs:") {
            let dir = self.configfs().join(group);
            if !dir.exists() {
                return Ok(());
            }
            // The kernel refuses to end what is not live.
            let live = dir.join("live");
            if files::read_to_string(&live).named("read", &live)?.trim() != "0" {
                write(&live, "0")?;
            }
            for entry in files::read_dir(&dir).named("list", &dir)?.filter_map(Result::ok) {
                if entry.file_name().to_string_lossy().starts_with("line") {
                    files::remove_dir(entry.path()).named("remove", &entry.path())?;
                }
            }
            return files::remove_dir(&dir).named("remove", &dir);
        }
        match id.strip_prefix("device:") {
            Some(device) if self.devices().iter().any(|known| known == device) => {
                write(&self.driver().join("delete_device"), device)
            }
            _ => Ok(()),
        }
    }

    /// The devices of the driver (`gpio-aggregator.0`, …).
    fn devices(&self) -> Vec<String> {
        let Ok(entries) = files::read_dir(self.driver()) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with("gpio-aggregator."))
            .collect()
    }

    /// The chip that a platform device made.
    fn chip_of(&self, device: &str) -> Option<String> {
        let dir = self.sysfs.join("devices/platform").join(device);
        files::read_dir(dir)
            .ok()?
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .find(|name| name.starts_with("gpiochip"))
    }

    /// Makes a node for the chip at `path`: its numbers, its owner, its mode. One that is there already is replaced when
    /// it is another chip's.
    pub fn make_node(&self, chip: &str, path: &Path) -> Result<(), FileError> {
        let original = self.dev.join(chip);
        let meta = files::metadata(&original).named("look at", &original)?;
        match files::symlink_metadata(path) {
            Ok(present) if present.rdev() == meta.rdev() && present.rdev() != 0 => return Ok(()),
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).named("look at", path),
        }
        if let Some(dir) = path.parent() {
            fs::make_dir(dir, 0o755)?;
        }
        mknod(
            path,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(meta.mode() & 0o777),
            meta.rdev(),
        )
        .named("make the node", path)?;
        std::os::unix::fs::chown(path, Some(meta.uid()), Some(meta.gid())).named("set the owner of", path)?;
        files::set_permissions(path, files::Permissions::from_mode(meta.mode() & 0o777))
            .named("set the mode of", path)
    }
}

fn write(path: &Path, text: &str) -> Result<(), FileError> {
    files::write(path, text).named("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_driver_has_no_way() {
        let dir = tempfile::tempdir().expect("a folder");
        let kernel = Aggregators::new(dir.path(), dir.path());
        assert_eq!(kernel.way(), None);
        assert!(kernel.delete("configfs:snap.pi.led").is_ok());
        assert!(kernel.delete("device:gpio-aggregator.0").is_ok());
        files::create_dir_all(kernel.driver()).expect("driver");
        files::write(kernel.driver().join("new_device"), "").expect("file");
        assert_eq!(kernel.way(), Some(Way::NewDevice));
        files::create_dir_all(kernel.configfs()).expect("configfs");
        assert_eq!(kernel.way(), Some(Way::Configfs));
    }

    #[test]
    fn a_live_group_with_the_same_lines_is_taken_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let kernel = Aggregators::new(dir.path(), dir.path());
        let group = kernel.configfs().join("snap.pi.bank");
        for (index, offset) in ["17", "22"].iter().enumerate() {
            let line = group.join(format!("line{index}"));
            files::create_dir_all(&line).expect("line");
            files::write(line.join("key"), "pi-sim\n").expect("key");
            files::write(line.join("offset"), format!("{offset}\n")).expect("offset");
        }
        files::write(group.join("live"), "1\n").expect("live");
        files::write(group.join("dev_name"), "gpio-aggregator.4\n").expect("name");
        files::create_dir_all(dir.path().join("devices/platform/gpio-aggregator.4/gpiochip7")).expect("chip");
        let made = kernel
            .create(Way::Configfs, "snap.pi.bank", "pi-sim", &[17, 22])
            .expect("taken over");
        let wanted = Made {
            id: "configfs:snap.pi.bank".into(),
            chip: "gpiochip7".into(),
        };
        assert_eq!(made, wanted);
        for (label, offsets) in [("other", &[17, 22][..]), ("pi-sim", &[17, 23]), ("pi-sim", &[17])] {
            assert_eq!(kernel.same_group(&group, label, offsets), None);
        }
    }

    #[test]
    fn what_is_not_live_is_not_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let kernel = Aggregators::new(dir.path(), dir.path());
        let group = kernel.configfs().join("snap.pi.bank");
        files::create_dir_all(&group).expect("group");
        for (before, after) in [("0\n", "0\n"), ("1\n", "0")] {
            files::write(group.join("live"), before).expect("live");
            // A folder of plain files does not go as one of configfs does.
            assert!(kernel.delete("configfs:snap.pi.bank").is_err());
            assert_eq!(files::read_to_string(group.join("live")).expect("read"), after);
        }
    }

    #[test]
    fn a_device_that_made_no_chip_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let kernel = Aggregators::new(dir.path(), dir.path());
        files::create_dir_all(kernel.driver()).expect("driver");
        files::write(kernel.driver().join("new_device"), "").expect("file");
        assert!(kernel.create(Way::NewDevice, "g", "pi-sim", &[17, 22]).is_err());
        let said = files::read_to_string(kernel.driver().join("new_device")).expect("read");
        assert_eq!(said, "\"pi-sim\" 17,22");
    }
}
