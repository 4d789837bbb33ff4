//! `bool-file`: the brightness of an LED or the value of an exported GPIO line (contract: interfaces-and-hardware,
//! section 3, LED).

use super::matcher::{MANY, Piece, clean, fits_any};
use super::{GADGET_OR_CORE, Interface, plain, values};
use crate::domain::Attrs;
use crate::domain::hardware::Target;
use crate::domain::snap::EndInfo;
use serde_json::Value;

pub(super) const BOOL_FILE: Interface = plain("bool-file", "one LED's brightness or one GPIO value")
    .slots(GADGET_OR_CORE)
    .slot(check)
    .aims(aim);

const PATHS: &[&[Piece]] = &[
    &[
        Piece::Text("/sys/class/leds/"),
        Piece::Segment,
        Piece::Text("/brightness"),
    ],
    &[
        Piece::Text("/sys/class/gpio/gpio"),
        Piece::Digits(1, MANY),
        Piece::Text("/value"),
    ],
];

fn check(slot: &mut EndInfo) -> Result<(), String> {
    let path = values::text(slot, "slot", "path").map_err(|_| "bool-file must contain the path attribute")?;
    let path = clean(path);
    if !fits_any(&path, PATHS) {
        return Err("bool-file can only point at LED brightness or GPIO value".into());
    }
    slot.attrs.insert("path".into(), Value::String(path));
    Ok(())
}

fn aim(slot: &Attrs) -> Result<Option<Target>, String> {
    let path = slot.get("path").and_then(|path| path.as_str());
    let path = path.ok_or("bool-file must contain the path attribute")?;
    Ok(Some(Target::BoolFile(path.to_owned())))
}
