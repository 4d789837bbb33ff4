//! Global GPIO numbers: what `/sys/class/gpio` says of chips and exports (contract: interfaces-and-hardware, gpio).

use crate::domain::sort;
use crate::drivers::fs::{FileError, Named};
use std::fs;
use std::path::{Path, PathBuf};

/// One row of the kernel's table: a chip and the numbers of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedChip {
    pub label: String,
    /// The number of its first line.
    pub base: u32,
    /// How many numbers it has.
    pub lines: u32,
}

/// `/sys/class/gpio`, or a folder of the same form.
#[derive(Clone, Debug)]
pub struct SysfsGpio {
    root: PathBuf,
}

impl SysfsGpio {
    /// The folder that stands for `/sys/class/gpio`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The chips and their numbers, lowest first; none where the kernel has no sysfs GPIO.
    pub fn chips(&self) -> Vec<NumberedChip> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        let mut chips: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("gpiochip"))
            .filter_map(|entry| {
                let dir = entry.path();
                Some(NumberedChip {
                    label: word(&dir.join("label"))?,
                    base: word(&dir.join("base"))?.parse().ok()?,
                    lines: word(&dir.join("ngpio"))?.parse().ok()?,
                })
            })
            .collect();
        sort::by_key(&mut chips, |chip| chip.base);
        chips
    }

    /// The chip's label and the offset of a global number.
    pub fn resolve(&self, number: u32) -> Option<(String, u32)> {
        self.chips()
            .into_iter()
            .find(|chip| number >= chip.base && number - chip.base < chip.lines)
            .map(|chip| (chip.label, number - chip.base))
    }

    /// The global number of a chip's line.
    pub fn number(&self, label: &str, offset: u32) -> Option<u32> {
        self.chips()
            .into_iter()
            .find(|chip| chip.label == label && offset < chip.lines)
            .map(|chip| chip.base + offset)
    }

    /// The folder of an exported line.
    pub fn line_dir(&self, number: u32) -> PathBuf {
        self.root.join(format!("gpio{number}"))
    }

    /// Exports a line; one that is exported already is fine.
    pub fn export(&self, number: u32) -> Result<PathBuf, FileError> {
        let dir = self.line_dir(number);
        if !dir.exists() {
            let file = self.root.join("export");
            fs::write(&file, number.to_string()).named("write", &file)?;
        }
        Ok(dir)
    }

    /// Takes an export back; one that is not there is fine.
    pub fn unexport(&self, number: u32) -> Result<(), FileError> {
        if !self.line_dir(number).exists() {
            return Ok(());
        }
        let file = self.root.join("unexport");
        fs::write(&file, number.to_string()).named("write", &file)
    }
}

/// The first line of a small file.
fn word(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, u32, u32)]) -> (tempfile::TempDir, SysfsGpio) {
        let dir = tempfile::tempdir().expect("a folder");
        for (label, base, lines) in rows {
            let chip = dir.path().join(format!("gpiochip{base}"));
            fs::create_dir(&chip).expect("chip");
            fs::write(chip.join("label"), format!("{label}\n")).expect("label");
            fs::write(chip.join("base"), format!("{base}\n")).expect("base");
            fs::write(chip.join("ngpio"), format!("{lines}\n")).expect("ngpio");
        }
        let sysfs = SysfsGpio::new(dir.path());
        (dir, sysfs)
    }

    #[test]
    fn numbers_follow_the_bases() {
        let (_dir, sysfs) = table(&[("raspberrypi-exp-gpio", 570, 8), ("pinctrl-bcm2711", 512, 58)]);
        assert_eq!(sysfs.resolve(529), Some((String::from("pinctrl-bcm2711"), 17)));
        assert_eq!(
            sysfs.resolve(570),
            Some((String::from("raspberrypi-exp-gpio"), 0))
        );
        assert_eq!(sysfs.resolve(17), None);
        assert_eq!(sysfs.resolve(578), None);
        assert_eq!(sysfs.number("pinctrl-bcm2711", 17), Some(529));
    }

    #[test]
    fn a_kernel_without_the_folder_has_no_numbers() {
        let sysfs = SysfsGpio::new("/nonexistent/gpio");
        assert_eq!(sysfs.resolve(0), None);
        let error = sysfs.export(4).expect_err("no export file");
        assert!(error.to_string().contains("/nonexistent/gpio/export"), "{error}");
        assert!(sysfs.unexport(4).is_ok());
    }
}
