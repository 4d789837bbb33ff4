//! What must hold in a board file: names that are free, offsets that the chip has, LEDs that fit their kind.

use super::text::{ChipText, FileText, HeaderText, LedKindText, LedText, LineText};
use super::{
    Board, BoardError, Chip, Driver, Header, Led, LedKind, Line, MAX_LINES, Place, Places, SUPPLIES,
    Unverified,
};
use crate::domain::error::shortened;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// Holds what a file says against itself; its errors say where.
pub(super) struct Checker<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// Names that are taken, with the place of the first use.
type Taken = BTreeMap<String, Range<usize>>;

impl Checker<'_> {
    /// An error at a place of the text.
    pub fn error(&self, span: Range<usize>, message: String) -> BoardError {
        let (line, column) = self.place(span.start);
        BoardError {
            file: self.file.to_owned(),
            line,
            column,
            message: shortened(message),
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    pub fn places(&self, read: &FileText) -> Places {
        let compatible = read.compatible.first().unwrap_or(&read.name).span();
        let mut places = vec![(Place::Compatible, self.place(compatible.start))];
        let mut add = |place: fn(String) -> Place, name: &Spanned<String>| {
            places.push((place(name.get_ref().clone()), self.place(name.span().start)));
        };
        read.chips.iter().for_each(|chip| add(Place::Chip, &chip.label));
        read.lines.iter().for_each(|line| add(Place::Line, &line.name));
        read.leds.iter().for_each(|led| add(Place::Led, &led.name));
        places
    }

    /// The names that device trees have for the board: `vendor,board`.
    fn compatible(&self, read: Vec<Spanned<String>>) -> Result<Vec<String>, BoardError> {
        let fits = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
            name.len() <= 128
                && name.split_once(',').is_some_and(|(vendor, board)| {
                    !vendor.is_empty() && !board.is_empty() && vendor.chars().chain(board.chars()).all(known)
                })
        };
        read.into_iter()
            .map(|name| match fits(name.get_ref()) {
                true => Ok(name.into_inner()),
                false => {
                    let message = format!(
                        "{:?} is not the name of a board in device trees: write one of /proc/device-tree/compatible, \
                         as in \"raspberrypi,4-model-b\"",
                        name.get_ref()
                    );
                    Err(self.error(name.span(), message))
                }
            })
            .collect()
    }

    pub fn board(&self, read: FileText) -> Result<Board, BoardError> {
        let name = self.name(&read.name)?;
        let mut unverified = Vec::new();
        let chips = self.chips(read.chips, &mut unverified)?;
        let mut lines = self.lines(read.lines, &chips)?;
        let headers = self.headers(read.header, read.headers, &mut lines)?;
        let leds = self.leds(read.leds, &lines, read.driver, &mut unverified)?;
        Ok(Board {
            model: read.model.unwrap_or_else(|| name.clone()),
            name,
            compatible: self.compatible(read.compatible)?,
            driver: read.driver,
            discover: read.discover,
            chips,
            lines,
            leds,
            headers,
            unverified,
        })
    }

    /// Notes a fact that no device tree shows: it says where it is from.
    fn origin(
        &self,
        noted: &mut Vec<Unverified>,
        what: String,
        (unverified, source): (bool, Option<String>),
        at: Range<usize>,
    ) -> Result<(), BoardError> {
        match (unverified, source) {
            (false, None) => Ok(()),
            (true, Some(source)) if !source.trim().is_empty() => {
                noted.push(Unverified { what, source });
                Ok(())
            }
            (true, _) => {
                let message = format!("{what} is unverified: add source = \"…\" that says where it is from");
                Err(self.error(at, message))
            }
            (false, Some(_)) => {
                let message = format!("{what} has a source: add unverified = true, or remove the source");
                Err(self.error(at, message))
            }
        }
    }

    /// A name goes into paths, commands and tables: letters, digits and `. _ : @ + -`.
    fn name(&self, name: &Spanned<String>) -> Result<String, BoardError> {
        let text = name.get_ref();
        let fits = (1..=64).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:@+-".contains(&b));
        if fits {
            return Ok(text.clone());
        }
        let message = format!("{text:?} cannot be a name: use 1 to 64 letters, digits, or . _ : @ + -");
        Err(self.error(name.span(), message))
    }

    /// Takes a name that must not be taken yet.
    fn take(&self, taken: &mut Taken, what: &str, name: &Spanned<String>) -> Result<String, BoardError> {
        let text = self.name(name)?;
        if let Some(first) = taken.get(&text) {
            let (line, _) = self.place(first.start);
            let message = format!("{what} {text:?} is already named at line {line}: give each its own name");
            return Err(self.error(name.span(), message));
        }
        taken.insert(text.clone(), name.span());
        Ok(text)
    }

    fn chips(&self, read: Vec<ChipText>, unverified: &mut Vec<Unverified>) -> Result<Vec<Chip>, BoardError> {
        let mut taken = Taken::new();
        let mut chips: Vec<Chip> = Vec::with_capacity(read.len());
        for chip in read {
            let label = self.take(&mut taken, "the chip", &chip.label)?;
            if chip
                .lines
                .is_some_and(|lines| lines == 0 || lines as usize > MAX_LINES)
            {
                let message = format!(
                    "chip {label:?}: lines goes from 1 to {MAX_LINES}; leave it out to take the kernel's"
                );
                return Err(self.error(chip.label.span(), message));
            }
            let origin = (chip.unverified, chip.source);
            self.origin(unverified, format!("chip {label}"), origin, chip.label.span())?;
            let marked_by = match chip.marked_by {
                Some(mark) => {
                    let offset = *mark.offset.get_ref();
                    self.offset(&label, chip.lines, &mark.offset)?;
                    Some((offset, mark.name))
                }
                None => None,
            };
            chips.push(Chip {
                label,
                lines: chip.lines,
                base: chip.base,
                on_release: chip.on_release,
                sysfs: chip.sysfs,
                marked_by,
            });
        }
        Ok(chips)
    }

    /// An offset that the chip has.
    fn offset(&self, label: &str, lines: Option<u32>, offset: &Spanned<u32>) -> Result<(), BoardError> {
        let end = lines.unwrap_or(MAX_LINES as u32);
        if *offset.get_ref() < end {
            return Ok(());
        }
        let message = format!(
            "chip {label:?} has the offsets 0 to {}: write one of them instead of {}",
            end - 1,
            offset.get_ref()
        );
        Err(self.error(offset.span(), message))
    }

    /// The chip that a line names; where a file has one chip only, its lines need not name it.
    fn chip_of<'c>(&self, line: &LineText, chips: &'c [Chip]) -> Result<&'c Chip, BoardError> {
        match (&line.chip, chips) {
            (None, [chip]) => Ok(chip),
            (None, _) => {
                let message = format!(
                    "the line {:?} names no chip: add chip = \"LABEL\" with the label of one of [[chips]]",
                    line.name.get_ref()
                );
                Err(self.error(line.name.span(), message))
            }
            (Some(named), _) => {
                let label = named.get_ref();
                chips.iter().find(|chip| chip.label == *label).ok_or_else(|| {
                    let message = format!(
                        "there is no chip {label:?} in this file: add [[chips]] with label = {label:?}"
                    );
                    self.error(named.span(), message)
                })
            }
        }
    }

    fn lines(&self, read: Vec<LineText>, chips: &[Chip]) -> Result<Vec<Line>, BoardError> {
        let mut taken = Taken::new();
        let mut places: BTreeMap<(String, u32), (String, Range<usize>)> = BTreeMap::new();
        let mut lines = Vec::with_capacity(read.len().min(MAX_LINES));
        if read.len() > MAX_LINES {
            let span = read[MAX_LINES].name.span();
            return Err(self.error(
                span,
                format!("a board has at most {MAX_LINES} lines; leave out this one and the rest"),
            ));
        }
        for line in read {
            let name = self.take(&mut taken, "the line", &line.name)?;
            let offset = *line.offset.get_ref();
            let chip = self.chip_of(&line, chips)?;
            let label = &chip.label;
            self.offset(label, chip.lines, &line.offset)?;
            if let Some((other, first)) = places.get(&(label.clone(), offset)) {
                let (place, _) = self.place(first.start);
                let message = format!(
                    "offset {offset} of chip {label:?} is the line {other:?} at line {place} already: make {name:?} an alias of it"
                );
                return Err(self.error(line.offset.span(), message));
            }
            places.insert((label.clone(), offset), (name.clone(), line.name.span()));
            let safe_value = match &line.safe_value {
                Some(value) if *value.get_ref() > 1 => {
                    let message = format!("the line {name:?}: safe-value is 0 or 1, or left out");
                    return Err(self.error(value.span(), message));
                }
                value => value.as_ref().map(|value| u8::from(*value.get_ref() == 1)),
            };
            let aliases = line
                .aliases
                .iter()
                .map(|alias| self.take(&mut taken, "the line", alias))
                .collect::<Result<_, _>>()?;
            lines.push(Line {
                name,
                chip: label.clone(),
                offset,
                header_pin: None,
                header: String::new(),
                aliases,
                function: line.function,
                safe_value,
            });
        }
        Ok(lines)
    }

    fn headers(
        &self,
        one: Option<HeaderText>,
        several: Vec<HeaderText>,
        lines: &mut [Line],
    ) -> Result<Vec<Header>, BoardError> {
        let mut taken = Taken::new();
        let mut headers = Vec::with_capacity(several.len() + 1);
        if let Some(header) = one {
            if let Some(name) = &header.name {
                let message =
                    String::from("[header] is the only one and has no name: say [[headers]] for several");
                return Err(self.error(name.span(), message));
            }
            let pins = self.header("", header.pins, lines)?;
            headers.push(Header {
                name: String::new(),
                pins,
            });
        }
        for header in several {
            let Some(name) = &header.name else {
                let at = header.pins.first().map_or(0..0, Spanned::span);
                let message = String::from(
                    "each of [[headers]] has a name: add name = \"P1\"; one without is [header]",
                );
                return Err(self.error(at, message));
            };
            let name = self.take(&mut taken, "the header", name)?;
            let pins = self.header(&name, header.pins, lines)?;
            headers.push(Header { name, pins });
        }
        Ok(headers)
    }

    /// The pins of a header. A line on it gets the pin as one more name, if it is not called so already.
    fn header(
        &self,
        header: &str,
        read: Vec<Spanned<String>>,
        lines: &mut [Line],
    ) -> Result<Vec<String>, BoardError> {
        let mut pins = Vec::with_capacity(read.len());
        for (index, pin) in read.iter().enumerate() {
            let text = pin.get_ref();
            let number = u16::try_from(index + 1).map_err(|_| {
                self.error(
                    pin.span(),
                    String::from("a header has at most 65535 pins; end it here"),
                )
            })?;
            pins.push(text.clone());
            if SUPPLIES.contains(&text.as_str()) {
                continue;
            }
            let alias = match header {
                "" => format!("pin-{number}"),
                header => format!("{header}_{number}"),
            };
            if lines
                .iter()
                .any(|line| (line.name == alias && alias != *text) || line.aliases.contains(&alias))
            {
                let message = format!(
                    "pin {number} is called {alias:?} by itself: remove the line or alias of that name"
                );
                return Err(self.error(pin.span(), message));
            }
            let Some(line) = lines.iter_mut().find(|line| line.name == *text) else {
                let message = format!(
                    "pin {number}: there is no line {text:?}: write a line's name or one of {}",
                    SUPPLIES.join(", ")
                );
                return Err(self.error(pin.span(), message));
            };
            if let Some(other) = line.header_pin {
                let message = format!(
                    "the line {text:?} is on pin {other} already: a line is on one pin of the header"
                );
                return Err(self.error(pin.span(), message));
            }
            line.header_pin = Some(number);
            header.clone_into(&mut line.header);
            if line.name != alias {
                line.aliases.push(alias);
            }
        }
        Ok(pins)
    }

    fn leds(
        &self,
        read: Vec<LedText>,
        lines: &[Line],
        driver: Driver,
        unverified: &mut Vec<Unverified>,
    ) -> Result<Vec<Led>, BoardError> {
        let mut taken = Taken::new();
        let mut wired: BTreeMap<String, String> = BTreeMap::new();
        let mut leds = Vec::with_capacity(read.len().min(MAX_LINES));
        for led in read {
            let name = self.take(&mut taken, "the LED", &led.name)?;
            let aliases = led
                .aliases
                .iter()
                .map(|alias| self.take(&mut taken, "the LED", alias))
                .collect::<Result<_, _>>()?;
            let kind = self.led_kind(&name, &led, lines, driver)?;
            if let (LedKind::Line(line), Some(at)) = (&kind, &led.line)
                && let Some(other) = wired.insert(line.clone(), name.clone())
            {
                let message =
                    format!("the line {line:?} lights the LED {other:?} already: give {name:?} another line");
                return Err(self.error(at.span(), message));
            }
            let origin = (led.unverified, led.source);
            self.origin(unverified, format!("LED {name}"), origin, led.name.span())?;
            leds.push(Led {
                name,
                kind,
                aliases,
                trigger: led.trigger,
            });
        }
        Ok(leds)
    }

    fn led_kind(
        &self,
        name: &str,
        led: &LedText,
        lines: &[Line],
        driver: Driver,
    ) -> Result<LedKind, BoardError> {
        let misplaced = |span: Range<usize>, what: &str, kind: &str| {
            let message =
                format!("LED {name:?}: {what} belongs to kind = {kind:?} only: remove it or change the kind");
            Err(self.error(span, message))
        };
        let kind = *led.kind.get_ref();
        match (&led.paths, kind) {
            (Some(paths), LedKindText::Line | LedKindText::Sim) => {
                return misplaced(paths.span(), "paths", "class");
            }
            (None, LedKindText::Class) => {
                let message =
                    format!("LED {name:?}: add paths = [\"NAME\"] with its name in /sys/class/leds");
                return Err(self.error(led.kind.span(), message));
            }
            _ => {}
        }
        match (&led.line, kind) {
            (Some(line), LedKindText::Class | LedKindText::Sim) => {
                return misplaced(line.span(), "line", "line");
            }
            (None, LedKindText::Line) => {
                let message =
                    format!("LED {name:?}: add line = \"NAME\" with the name of the line that lights it");
                return Err(self.error(led.kind.span(), message));
            }
            _ => {}
        }
        if kind == LedKindText::Sim && driver == Driver::Kernel {
            let message = format!(
                "LED {name:?}: kind = \"sim\" needs driver = \"simulator\": say \"class\" or \"line\""
            );
            return Err(self.error(led.kind.span(), message));
        }
        if kind == LedKindText::Class && driver == Driver::Simulator {
            let message = format!("LED {name:?}: the simulator has no LED class: say kind = \"sim\"");
            return Err(self.error(led.kind.span(), message));
        }
        match (&led.paths, &led.line) {
            (Some(paths), _) => {
                let names = paths.get_ref();
                let bad = |path: &String| {
                    path.is_empty() || path.contains('/') || path.starts_with('.') || path.len() > 255
                };
                if names.is_empty() || names.iter().any(bad) {
                    let message =
                        format!("LED {name:?}: paths are names in /sys/class/leds, without a slash");
                    return Err(self.error(paths.span(), message));
                }
                Ok(LedKind::Class(names.clone()))
            }
            (None, Some(line)) => {
                let wanted = line.get_ref();
                if !lines.iter().any(|known| known.name == *wanted) {
                    let message = format!("LED {name:?}: there is no line {wanted:?}: name one of [[lines]]");
                    return Err(self.error(line.span(), message));
                }
                Ok(LedKind::Line(wanted.clone()))
            }
            (None, None) => Ok(LedKind::Sim),
        }
    }
}
