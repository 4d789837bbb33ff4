//! `gpio-chardev`: some lines of one chip as a chip of their own (contract: v2-newer, section 8).

use super::{GADGET, Interface, plain, values};
use crate::domain::hardware::Target;
use crate::domain::snap::EndInfo;
use crate::domain::{Attrs, SnapInfo, sort};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

pub(super) const GPIO_CHARDEV: Interface = plain("gpio-chardev", "some lines of one GPIO chip")
    .slots(GADGET)
    .slot(check)
    .aims(aim);

/// How many lines one slot may have.
pub const MOST_LINES: usize = 512;

fn check(slot: &mut EndInfo) -> Result<(), String> {
    chips(&slot.attrs)?;
    lines(&slot.attrs)?;
    Ok(())
}

fn aim(slot: &Attrs) -> Result<Option<Target>, String> {
    let offsets = lines(slot)?.into_iter().flatten().collect();
    Ok(Some(Target::Chip {
        labels: chips(slot)?,
        offsets,
    }))
}

/// The labels of the chips that the slot is for: one gadget serves several boards.
fn chips(attrs: &Attrs) -> Result<Vec<String>, String> {
    let wrong = |reason: String| format!("invalid \"source-chip\" attribute: {reason}");
    let value = attrs
        .get("source-chip")
        .ok_or_else(|| wrong("must be given as a list of chip labels".into()))?;
    let labels = values::strings(value).ok_or_else(|| wrong("must be a list of strings".into()))?;
    if labels.is_empty() {
        return Err(wrong("cannot be empty".into()));
    }
    let mut seen = BTreeSet::new();
    for label in &labels {
        if label.is_empty() {
            return Err(wrong("chip cannot be empty".into()));
        }
        if label.trim() != label {
            return Err(wrong(format!(
                "chip cannot contain leading or trailing white space, found {label:?}"
            )));
        }
        if !seen.insert(label) {
            return Err(wrong(format!(
                "cannot contain duplicate chip names, found {label:?}"
            )));
        }
    }
    Ok(labels)
}

/// The offsets that the slot has, as sorted spans.
fn lines(attrs: &Attrs) -> Result<Vec<RangeInclusive<u32>>, String> {
    let wrong = |reason: String| format!("invalid \"lines\" attribute: {reason}");
    match attrs.get("lines") {
        Some(Value::String(text)) => parse_lines(text).map_err(wrong),
        Some(_) => Err(wrong("must be a string such as \"0,2,4-8\"".into())),
        None => Err(wrong("must be given".into())),
    }
}

/// Reads `0,2,4-8`: numbers and spans, without overlap, at most [`MOST_LINES`] in all; sorted.
pub fn parse_lines(text: &str) -> Result<Vec<RangeInclusive<u32>>, String> {
    let mut spans = Vec::new();
    let mut count = 0usize;
    for part in text.split(',') {
        let span = parse_span(part)?;
        let size = (span.end() - span.start()) as usize + 1;
        count = count.saturating_add(size);
        spans.push(span);
    }
    if count > MOST_LINES {
        return Err(format!("range size cannot exceed {MOST_LINES}, found {count}"));
    }
    sort::by_key(&mut spans, |span| *span.start());
    for pair in spans.windows(2) {
        if pair[1].start() <= pair[0].end() {
            return Err(format!("overlapping range span found {:?}", show(&pair[1])));
        }
    }
    Ok(spans)
}

fn parse_span(part: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| -> Result<u32, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value: Option<i32> = if digits { text.parse().ok() } else { None };
        value
            .and_then(|value| u32::try_from(value).ok())
            .ok_or_else(|| format!("invalid range span {part:?}: {text:?} is not a line number"))
    };
    let Some((start, end)) = part.split_once('-') else {
        let only = number(part)?;
        return Ok(only..=only);
    };
    let (start, end) = (number(start)?, number(end)?);
    if end <= start {
        return Err(format!(
            "invalid range span {part:?}: ends before it starts; range end has to be larger than range start"
        ));
    }
    Ok(start..=end)
}

fn show(span: &RangeInclusive<u32>) -> String {
    if span.start() == span.end() {
        span.start().to_string()
    } else {
        format!("{}-{}", span.start(), span.end())
    }
}

/// A line of a chip may be in one slot of a gadget only; else the whole snap is refused.
pub fn check_overlaps(info: &SnapInfo) -> Result<(), String> {
    let mut taken: BTreeMap<String, Vec<RangeInclusive<u32>>> = BTreeMap::new();
    let slots = info
        .slots
        .values()
        .filter(|slot| slot.interface == "gpio-chardev");
    for slot in slots {
        let (Ok(labels), Ok(spans)) = (chips(&slot.attrs), lines(&slot.attrs)) else {
            continue; // dropped for its attributes
        };
        for label in labels {
            let others = taken.entry(label.clone()).or_default();
            for span in &spans {
                let clash = others
                    .iter()
                    .find(|other| other.start() <= span.end() && span.start() <= other.end());
                if let Some(other) = clash {
                    return Err(format!(
                        "chip {label:?} has reused conflicting line spans: {:?} of slot {:?} and {:?} of another slot",
                        show(span),
                        slot.name,
                        show(other)
                    ));
                }
            }
            others.extend(spans.iter().cloned());
        }
    }
    Ok(())
}
