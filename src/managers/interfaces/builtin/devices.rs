//! Interfaces whose slot names one device node (contract: interfaces-and-hardware, section 3, path checks).

use super::matcher::{MANY, Piece, clean, fits, fits_any};
use super::{GADGET_OR_CORE, Interface, Rule, plain, serial_port, values};
use crate::domain::snap::EndInfo;
use serde_json::Value;

pub(super) const HIDRAW: Interface = plain("hidraw", "one raw HID device")
    .slots(GADGET_OR_CORE)
    .slot(check_hidraw);

pub(super) const I2C: Interface = plain("i2c", "one I2C bus or one device on it")
    .slots(GADGET_OR_CORE)
    .slot(check_i2c);

pub(super) const IIO: Interface = plain("iio", "one sensor of the industrial I/O system")
    .slots(GADGET_OR_CORE)
    .slot(check_iio);

pub(super) const SPI: Interface = plain("spi", "one device on an SPI bus")
    .slots(GADGET_OR_CORE)
    .slot(check_spi);

pub(super) const UIO: Interface = plain("uio", "one device driven from user space")
    .slots(GADGET_OR_CORE)
    .slot(check_uio);

/// Without a declaration it is not even connected by hand.
pub(super) const RAW_VOLUME: Interface = plain("raw-volume", "one disk partition")
    .slots(GADGET_OR_CORE)
    .manual(Rule::Never)
    .slot(check_raw_volume);

/// The slot's `path`, cleaned and kept so.
pub(super) fn path(slot: &mut EndInfo) -> Result<String, String> {
    let path = clean(values::text(slot, "slot", "path")?);
    slot.attrs.insert("path".into(), Value::String(path.clone()));
    Ok(path)
}

fn node(slot: &mut EndInfo, patterns: &[&[Piece]]) -> Result<(), String> {
    if fits_any(&path(slot)?, patterns) {
        return Ok(());
    }
    Err(format!(
        "{} path attribute must be a valid device node",
        slot.interface
    ))
}

fn check_hidraw(slot: &mut EndInfo) -> Result<(), String> {
    if !serial_port::has_usb(slot) {
        return node(slot, &[&[Piece::Text("/dev/hidraw"), Piece::Digits(1, 3)]]);
    }
    let link = &[Piece::Text("/dev/hidraw-"), Piece::LowerOrDigit];
    if !fits(&path(slot)?, link) {
        return Err("hidraw path attribute specifies invalid symlink location".into());
    }
    serial_port::check_usb(slot)
}

fn check_i2c(slot: &mut EndInfo) -> Result<(), String> {
    let Some(name) = slot.attrs.get("sysfs-name") else {
        return node(slot, &[&[Piece::Text("/dev/i2c-"), Piece::Digits(1, MANY)]]);
    };
    if slot.attrs.contains_key("path") {
        return Err("i2c slot can have either a path or a sysfs-name attribute, not both".into());
    }
    match name.as_str() {
        Some(name) if fits(name, &[Piece::Name]) => Ok(()),
        _ => Err("i2c sysfs-name attribute must be a valid sysfs-name".into()),
    }
}

fn check_iio(slot: &mut EndInfo) -> Result<(), String> {
    node(slot, &[&[Piece::Text("/dev/iio:device"), Piece::Digits(1, MANY)]])
}

fn check_spi(slot: &mut EndInfo) -> Result<(), String> {
    let spidev = &[
        Piece::Text("/dev/spidev"),
        Piece::Digits(1, MANY),
        Piece::Text("."),
        Piece::Digits(1, MANY),
    ];
    node(slot, &[spidev])
}

fn check_uio(slot: &mut EndInfo) -> Result<(), String> {
    node(slot, &[&[Piece::Text("/dev/uio"), Piece::Digits(1, MANY)]])
}

fn check_raw_volume(slot: &mut EndInfo) -> Result<(), String> {
    use Piece::{Digits, Lower, Text};
    node(
        slot,
        &[
            &[Text("/dev/hd"), Lower(1, 1), Digits(1, 2)],
            &[Text("/dev/sd"), Lower(1, 2), Digits(1, 2)],
            &[Text("/dev/vd"), Lower(1, 2), Digits(1, 2)],
            &[Text("/dev/mmcblk"), Digits(1, 3), Text("p"), Digits(1, 3)],
            &[
                Text("/dev/nvme"),
                Digits(1, 2),
                Text("n"),
                Digits(1, 2),
                Text("p"),
                Digits(1, 3),
            ],
        ],
    )
}
