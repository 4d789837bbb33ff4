//! `serial-port`: one UART, or one USB adapter known by its ids (contract: interfaces-and-hardware, section 3, path
//! checks).

use super::devices::path;
use super::matcher::{MANY, Piece, fits};
use super::{GADGET_OR_CORE, Interface, plain, values};
use crate::domain::snap::EndInfo;

pub(super) const SERIAL_PORT: Interface = plain("serial-port", "one serial port")
    .slots(GADGET_OR_CORE)
    .slot(check);

const PORT: &[Piece] = &[
    Piece::Text("/dev/tty"),
    Piece::OneOf(&[
        "mxc", "USB", "ACM", "AMA", "XRUSB", "SC", "S", "O", "MSM", "HS", "GS",
    ]),
    Piece::Digits(1, MANY),
];

const LINK: &[Piece] = &[Piece::Text("/dev/serial-port-"), Piece::LowerOrDigit];

const LARGEST_INTERFACE: i64 = 31;

fn check(slot: &mut EndInfo) -> Result<(), String> {
    let path = path(slot)?;
    if !has_usb(slot) {
        if fits(&path, PORT) {
            return Ok(());
        }
        return Err("serial-port path attribute must be a valid device node".into());
    }
    if !fits(&path, LINK) {
        return Err("serial-port path attribute specifies invalid symlink location".into());
    }
    check_usb(slot)
}

/// The slot names its device by USB ids.
pub(super) fn has_usb(slot: &EndInfo) -> bool {
    ["usb-vendor", "usb-product", "usb-interface-number"]
        .iter()
        .any(|name| slot.attrs.contains_key(*name))
}

/// The ids are there and in range.
pub(super) fn check_usb(slot: &EndInfo) -> Result<(), String> {
    let within = |name: &str, least: i64, most: i64| -> Result<(), String> {
        let value = values::integer(slot, "slot", name)?;
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(format!("{} {name} attribute not valid: {value}", slot.interface))
    };
    within("usb-vendor", 1, 0xffff)?;
    within("usb-product", 0, 0xffff)?;
    if slot.attrs.contains_key("usb-interface-number") {
        within("usb-interface-number", 0, LARGEST_INTERFACE)?;
    }
    Ok(())
}
