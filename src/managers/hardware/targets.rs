//! What a slot stands for on this board.

use super::catalogue::{LedPlace, NamedLed};
use super::kernel::aggregators;
use super::{Hardware, Scope, State, gpio_fault};
use crate::domain::hardware::{LineAddress, Target};
use crate::domain::{ErrorKind, Fault};
use crate::drivers::gpio::aggregator::Way;

/// What a target means on this board.
pub(super) enum Wanted {
    /// Lines that the agent holds; `api` says that a chip of their own was asked for.
    Lines {
        lines: Vec<LineAddress>,
        led: Option<String>,
        api: bool,
    },
    /// An LED of the kernel or the simulator.
    Led(NamedLed),
    /// A line that the kernel exports.
    Export { at: LineAddress, number: u32 },
    /// A chip of some lines.
    Chip {
        way: Way,
        label: String,
        lines: Vec<LineAddress>,
    },
}

impl Hardware {
    /// What a target means now.
    pub(super) fn resolve(&self, state: &State, target: &Target) -> Result<Wanted, Fault> {
        match target {
            Target::Number(number) => self.numbered(state, *number),
            Target::Line(at) => {
                self.chips.line(at).map_err(gpio_fault)?;
                self.line_or_export(at.clone())
            }
            Target::Led(name) => {
                let led = self.find_led(state, name, &Scope::All)?;
                Ok(Self::wanted_led(led))
            }
            Target::BoolFile(path) => self.bool_file(state, path),
            Target::Chip { labels, offsets } => self.some_lines(state, labels, offsets),
        }
    }

    fn wanted_led(led: NamedLed) -> Wanted {
        match led.place {
            LedPlace::Line(at) => Wanted::Lines {
                lines: vec![at],
                led: Some(led.name),
                api: false,
            },
            LedPlace::Driver(_) => Wanted::Led(led),
        }
    }

    fn line_or_export(&self, at: LineAddress) -> Result<Wanted, Fault> {
        if !self.chip_facts(&at.chip).is_some_and(|facts| facts.sysfs) {
            return Ok(Wanted::Lines {
                lines: vec![at],
                led: None,
                api: false,
            });
        }
        match self.sysfs.number(&at.chip, at.offset) {
            Some(number) => Ok(Wanted::Export { at, number }),
            None => {
                let message = format!(
                    "the board file says that lines of chip {:?} are exported in sysfs, but this kernel has no sysfs GPIO: set sysfs = false",
                    at.chip
                );
                Err(Fault::new(ErrorKind::HardwareUnsupported, message).with("sysfs"))
            }
        }
    }

    /// The line of a global number: by the kernel's table, else by the bases that the board file knows from older
    /// kernels, as gadgets still count.
    fn numbered(&self, state: &State, number: u32) -> Result<Wanted, Fault> {
        let by_file = || {
            let board = self.board.as_ref()?;
            let chip = board.chips.iter().find(|chip| {
                let range = chip.base.zip(chip.lines);
                range.is_some_and(|(base, lines)| number >= base && number - base < lines)
            })?;
            let present = state.catalogue.chips.iter().any(|known| known.key == chip.label);
            present.then(|| LineAddress {
                chip: chip.label.clone(),
                offset: number - chip.base.unwrap_or(0),
            })
        };
        match self.chips.by_number(number).or_else(by_file) {
            Some(at) => self.line_or_export(at),
            None => {
                let known: Vec<_> = self
                    .sysfs
                    .chips()
                    .iter()
                    .map(|chip| {
                        format!(
                            "{} has {} to {}",
                            chip.label,
                            chip.base,
                            chip.base + chip.lines.saturating_sub(1)
                        )
                    })
                    .collect();
                let known = if known.is_empty() {
                    String::from("this kernel numbers no lines: use a slot with chip and line")
                } else {
                    known.join(", ")
                };
                let message = format!("no GPIO chip of this board has the number {number}: {known}");
                Err(Fault::new(ErrorKind::LineNotFound, message))
            }
        }
    }

    fn bool_file(&self, state: &State, path: &str) -> Result<Wanted, Fault> {
        let bad = || {
            let message = format!(
                "{path:?} is neither the brightness of an LED nor the value of a GPIO line: see /v2/hardware for the LEDs"
            );
            Err(Fault::new(ErrorKind::LineNotFound, message))
        };
        if let Some(name) = path
            .strip_prefix("/sys/class/leds/")
            .and_then(|rest| rest.strip_suffix("/brightness"))
        {
            let led = self.find_led(state, name, &Scope::All).or_else(|fault| {
                // The board may call it otherwise.
                let known = self.named_leds().into_iter().find(|led| match &led.place {
                    LedPlace::Driver(driver) => driver == name,
                    LedPlace::Line(_) => false,
                });
                known.ok_or(fault)
            });
            // An LED that the board file does not name is there all the same.
            return match led {
                Ok(led) => Ok(Self::wanted_led(led)),
                Err(_) if self.leds.folder(name).is_some() => Ok(Wanted::Led(NamedLed {
                    name: name.to_owned(),
                    place: LedPlace::Driver(name.to_owned()),
                    aliases: Vec::new(),
                    trigger: None,
                })),
                Err(fault) => Err(fault),
            };
        }
        let number = path
            .strip_prefix("/sys/class/gpio/gpio")
            .and_then(|rest| rest.strip_suffix("/value"))
            .and_then(|number| number.parse::<u32>().ok());
        let Some(number) = number else { return bad() };
        let wanted = self.numbered(state, number)?;
        // Exported by somebody else: the file is there, the kernel is the holder.
        match wanted {
            Wanted::Lines { lines, .. } if !self.is_simulated() && self.sysfs.line_dir(number).exists() => {
                match lines.into_iter().next() {
                    Some(at) => Ok(Wanted::Export { at, number }),
                    None => bad(),
                }
            }
            wanted => Ok(wanted),
        }
    }

    /// The lines of the one chip among `labels` that is present.
    fn some_lines(&self, state: &State, labels: &[String], offsets: &[u32]) -> Result<Wanted, Fault> {
        let mut present = state
            .catalogue
            .chips
            .iter()
            .filter(|chip| labels.contains(&chip.label));
        let (Some(chip), None) = (present.next(), present.next()) else {
            let message = format!(
                "exactly one chip of the labels {} must be present on this board; there are {}",
                labels.join(", "),
                state
                    .catalogue
                    .chips
                    .iter()
                    .filter(|chip| labels.contains(&chip.label))
                    .count(),
            );
            return Err(Fault::new(ErrorKind::LineNotFound, message));
        };
        if let Some(offset) = offsets.iter().find(|offset| **offset >= chip.lines) {
            let message = format!(
                "chip {:?} has the lines 0 to {}, not {offset}: mend the slot's lines",
                chip.label,
                chip.lines.saturating_sub(1)
            );
            return Err(Fault::new(ErrorKind::LineNotFound, message));
        }
        let lines: Vec<LineAddress> = offsets
            .iter()
            .map(|offset| LineAddress {
                chip: chip.key.clone(),
                offset: *offset,
            })
            .collect();
        let way = self.aggregator_way();
        Ok(match way {
            Some(way) => Wanted::Chip {
                way,
                label: chip.label.clone(),
                lines,
            },
            None => Wanted::Lines {
                lines,
                led: None,
                api: true,
            },
        })
    }

    /// How chips can be made: not on the simulator, and only by root.
    fn aggregator_way(&self) -> Option<Way> {
        if self.is_simulated() || !nix::unistd::geteuid().is_root() {
            return None;
        }
        aggregators().way()
    }
}
