//! What the values of system options may be. Each check is given the option's key and a text that is not empty, and
//! answers a sentence when the text does not do.

use crate::domain::schedule::Schedule;
use crate::domain::{SnapName, Timestamp, duration as durations};
use std::time::Duration;

/// The words that an option may be, of those that have a list.
const WORDS: [(&str, &[&str]); 3] = [
    ("refresh.metered", &["hold"]),
    (
        "system.power-key-action",
        &[
            "ignore",
            "poweroff",
            "reboot",
            "halt",
            "kexec",
            "suspend",
            "hibernate",
            "hybrid-sleep",
            "lock",
        ],
    ),
    ("system.ctrl-alt-del-action", &["none", "reboot"]),
];

/// The least and the greatest of an option that is a number.
const RANGES: [(&str, u64, u64); 2] = [
    ("refresh.retain", 2, 20),
    ("system.kernel.printk.console-loglevel", 0, 7),
];

/// The least of an option that is a size, in bytes.
const SIZES: [(&str, u64); 3] = [
    ("refresh.rate-limit", 0),
    ("swap.size", 1 << 20),
    ("tmp.size", 16 << 20),
];

/// A day: automatic snapshots are kept at least so long.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How many snaps can be ranked.
const RANKED: usize = 100;

pub(super) fn free(_: &str, _: &str) -> Result<(), String> {
    Ok(())
}

pub(super) fn flag(key: &str, text: &str) -> Result<(), String> {
    match text {
        "true" | "false" => Ok(()),
        _ => Err(format!("{key} can only be set to 'true' or 'false'")),
    }
}

pub(super) fn one_of(key: &str, text: &str) -> Result<(), String> {
    let words = WORDS
        .iter()
        .find(|(of, _)| *of == key)
        .map_or(&[][..], |(_, words)| words);
    match words.contains(&text) {
        true => Ok(()),
        false => Err(format!(
            "{key} value {text:?} is invalid: use {}",
            words.join(", ")
        )),
    }
}

pub(super) fn number(key: &str, text: &str) -> Result<(), String> {
    let range = RANGES.iter().find(|(of, ..)| *of == key);
    let (_, least, greatest) = range.copied().unwrap_or((key, 0, u64::MAX));
    match text.parse::<u64>() {
        Ok(number) if (least..=greatest).contains(&number) => Ok(()),
        _ => {
            let name = key.rsplit('.').next().unwrap_or(key);
            Err(format!(
                "{name} must be a number between {least} and {greatest}, not {text:?}"
            ))
        }
    }
}

/// A number of bytes with a unit: `512K`, `16M`, `1.5GB`, `4096B`.
pub(super) fn size(key: &str, text: &str) -> Result<(), String> {
    let least = SIZES
        .iter()
        .find(|(of, _)| *of == key)
        .map_or(0, |(_, least)| *least);
    match bytes(text) {
        Some(size) if size == 0 || size >= least => Ok(()),
        Some(_) => Err(format!("{key} is {text}: it must be at least {least} bytes")),
        None => Err(format!(
            "{key} cannot be {text:?}: give a size such as 512K, 16M or 1G"
        )),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].to_ascii_uppercase();
    let factor = match unit.strip_suffix('B').unwrap_or(&unit) {
        "" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "KI" => 1024.0,
        "MI" => 1_048_576.0,
        "GI" => 1_073_741_824.0,
        _ => return None,
    };
    let whole = number * factor;
    // Bounded, and never negative: its text has digits and dots only.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (whole < 1e18).then_some(whole as u64)
}

pub(super) fn duration(key: &str, text: &str) -> Result<(), String> {
    match durations::parse(text) {
        Some(_) if !text.starts_with('-') => Ok(()),
        _ => Err(format!(
            "{key} cannot be {text:?}: give a time such as 30s or 1m30s"
        )),
    }
}

pub(super) fn retention(key: &str, text: &str) -> Result<(), String> {
    if text == "no" {
        return Ok(());
    }
    match durations::parse(text) {
        None => Err(format!(
            "{key} cannot be parsed: {text:?} is no duration such as 168h"
        )),
        Some(kept) if kept < DAY => Err(format!(
            "{key} must be a value greater than 24 hours, or \"no\" to disable"
        )),
        Some(_) => Ok(()),
    }
}

pub(super) fn hold(key: &str, text: &str) -> Result<(), String> {
    match Timestamp::parse(text) {
        Some(_) => Ok(()),
        None => Err(format!(
            "{key} cannot be parsed: {text:?} is no time such as 2030-01-31T08:00:00Z"
        )),
    }
}

/// A schedule; who manages refreshes is a snap with an assertion for it, which there is none of.
pub(super) fn schedule(key: &str, text: &str) -> Result<(), String> {
    if text == "managed" {
        return Err(String::from("cannot set schedule to managed"));
    }
    match Schedule::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{key} cannot be parsed: {error}")),
    }
}

pub(super) fn no_store(_: &str, text: &str) -> Result<(), String> {
    Err(format!(
        "cannot set proxy.store to {text:?} without a matching store assertion"
    ))
}

pub(super) fn hostname(_: &str, text: &str) -> Result<(), String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // The kernel keeps 64 bytes.
    match text.len() <= 64 && text.split('.').all(is_label) {
        true => Ok(()),
        false => Err(format!("cannot set hostname {text:?}: name not valid")),
    }
}

pub(super) fn timezone(_: &str, text: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+_-".contains(&byte))
    };
    match text.len() <= 64 && text.split('/').all(is_part) {
        true => Ok(()),
        false => Err(format!("cannot set timezone {text:?}: name not valid")),
    }
}

pub(super) fn vitality(key: &str, text: &str) -> Result<(), String> {
    let names: Vec<&str> = text.split(',').collect();
    if names.len() > RANKED {
        return Err(format!(
            "cannot set more than {RANKED} snaps in {key:?}: got {}",
            names.len()
        ));
    }
    for name in names {
        match SnapName::new(name) {
            Err(error) => return Err(format!("cannot set {key:?}: {error}")),
            Ok(name) if name.as_str() == "snapd" => {
                return Err(format!(
                    "cannot set {key:?}: snapd snap vitality cannot be changed"
                ));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

pub(super) fn certificate(key: &str, text: &str) -> Result<(), String> {
    let name = key.strip_prefix("store-certs.").unwrap_or(key);
    if name.contains('.') {
        return Err(format!("cannot set store certificate {name:?}: name not valid"));
    }
    let text = text.trim();
    match text.starts_with("-----BEGIN CERTIFICATE-----") && text.ends_with("-----END CERTIFICATE-----") {
        true => Ok(()),
        false => Err(format!("cannot decode pem certificate {name:?}")),
    }
}
