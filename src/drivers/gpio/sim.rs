//! The simulated board's chip: lines in memory that behave as a kernel's would.

use super::{CDEV_V1, ChipInfo, Chips, Edge, EdgeSink, GpioError, Held, LineInfo, Request, no_chip};
use crate::domain::hardware::{Direction, LineAddress};
use crate::drivers::clock::{Clock, monotonic_ns};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One simulated chip. Global number = offset.
pub struct SimChips {
    shared: Arc<Shared>,
}

struct Shared {
    chip: ChipInfo,
    clock: Clock,
    lines: Mutex<Vec<SimLine>>,
    /// How often the chip was pulled out or put back.
    moves: AtomicU64,
}

/// Levels here are physical.
#[derive(Default)]
struct SimLine {
    /// What the world outside puts on the line.
    driven: u8,
    hold: Option<SimHold>,
}

struct SimHold {
    direction: Direction,
    active_low: bool,
    out: u8,
    consumer: String,
    edges: Option<EdgeSink>,
}

impl SimChips {
    /// A chip with lines that nobody holds and that are low.
    pub fn new(label: &str, lines: u32, clock: Clock) -> Self {
        let chip = ChipInfo {
            name: String::from("gpiochip0"),
            label: label.to_owned(),
            key: label.to_owned(),
            lines,
            node: 0,
            capabilities: CDEV_V1,
        };
        let lines = (0..lines).map(|_| SimLine::default()).collect();
        Self {
            shared: Arc::new(Shared {
                chip,
                clock,
                lines: Mutex::new(lines),
                moves: AtomicU64::new(0),
            }),
        }
    }

    /// Pulls the chip out, or puts it back with lines that nobody holds.
    pub fn pull_or_put_back(&self) {
        self.shared.moves.fetch_add(1, Ordering::SeqCst);
        self.shared.lines().fill_with(SimLine::default);
    }

    /// The chip, unless it is pulled out.
    fn chip(&self) -> Option<ChipInfo> {
        let node = self.shared.moves.load(Ordering::SeqCst);
        node.is_multiple_of(2).then(|| ChipInfo {
            node,
            ..self.shared.chip.clone()
        })
    }

    fn index(&self, at: &LineAddress) -> Result<usize, GpioError> {
        let chip = &self.shared.chip;
        if at.chip != chip.key || self.shared.moves.load(Ordering::Relaxed) % 2 == 1 {
            return Err(no_chip(&at.chip, self.chip().iter()));
        }
        if at.offset >= chip.lines {
            return Err(GpioError::NoLine {
                label: at.chip.clone(),
                offset: at.offset,
                last: chip.lines.saturating_sub(1),
            });
        }
        Ok(at.offset as usize)
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Vec<SimLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chips for SimChips {
    fn list(&self) -> Vec<ChipInfo> {
        self.chip().into_iter().collect()
    }

    fn line(&self, at: &LineAddress) -> Result<LineInfo, GpioError> {
        let index = self.index(at)?;
        let hold = &self.shared.lines()[index].hold;
        Ok(LineInfo {
            name: None,
            direction: hold.as_ref().map_or(Direction::Input, |hold| hold.direction),
            active_low: hold.as_ref().is_some_and(|hold| hold.active_low),
            used: hold.is_some(),
            consumer: hold.as_ref().map(|hold| hold.consumer.clone()),
        })
    }

    fn request(&self, at: &LineAddress, request: &Request) -> Result<Box<dyn Held>, GpioError> {
        let index = self.index(at)?;
        let mut lines = self.shared.lines();
        let line = &mut lines[index];
        if let Some(hold) = &line.hold {
            return Err(GpioError::Busy {
                label: at.chip.clone(),
                offset: at.offset,
                consumer: hold.consumer.clone(),
            });
        }
        line.hold = Some(SimHold {
            direction: request.direction,
            active_low: request.active_low,
            out: request.value ^ u8::from(request.active_low),
            consumer: request.consumer.chars().take(31).collect(),
            edges: request.edges.clone(),
        });
        Ok(Box::new(HeldSim {
            shared: Arc::clone(&self.shared),
            index,
        }))
    }

    fn by_number(&self, number: u32) -> Option<LineAddress> {
        let chip = &self.shared.chip;
        (number < chip.lines).then(|| LineAddress {
            chip: chip.key.clone(),
            offset: number,
        })
    }

    fn drive(&self, at: &LineAddress, value: u8) -> Option<Result<(), GpioError>> {
        let index = match self.index(at) {
            Ok(index) => index,
            Err(error) => return Some(Err(error)),
        };
        let told = {
            let mut lines = self.shared.lines();
            let line = &mut lines[index];
            let changed = line.driven != value;
            line.driven = value;
            line.hold
                .as_ref()
                .filter(|hold| changed && hold.direction == Direction::Input)
                .and_then(|hold| Some((hold.edges.clone()?, value ^ u8::from(hold.active_low))))
        };
        if let Some((sink, value)) = told {
            sink(Edge {
                value,
                monotonic_ns: monotonic_ns(),
                time: self.shared.clock.now(),
                resync: false,
            });
        }
        Some(Ok(()))
    }
}

struct HeldSim {
    shared: Arc<Shared>,
    index: usize,
}

impl Held for HeldSim {
    fn get(&self) -> Result<u8, GpioError> {
        let lines = self.shared.lines();
        let line = &lines[self.index];
        Ok(match &line.hold {
            Some(hold) if hold.direction == Direction::Output => hold.out ^ u8::from(hold.active_low),
            Some(hold) => line.driven ^ u8::from(hold.active_low),
            None => line.driven,
        })
    }

    fn set(&self, value: u8) -> Result<(), GpioError> {
        match &mut self.shared.lines()[self.index].hold {
            Some(hold) if hold.direction == Direction::Output => {
                hold.out = value ^ u8::from(hold.active_low);
                Ok(())
            }
            _ => Err(GpioError::NotOutput {
                label: self.shared.chip.key.clone(),
                offset: u32::try_from(self.index).unwrap_or(u32::MAX),
            }),
        }
    }

    fn has_edges(&self) -> bool {
        self.shared.lines()[self.index]
            .hold
            .as_ref()
            .is_some_and(|hold| hold.direction == Direction::Input && hold.edges.is_some())
    }
}

impl Drop for HeldSim {
    fn drop(&mut self) {
        self.shared.lines()[self.index].hold = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u32) -> LineAddress {
        LineAddress {
            chip: String::from("pinctrl-sim"),
            offset,
        }
    }

    fn request(direction: Direction, active_low: bool, edges: Option<EdgeSink>) -> Request {
        Request {
            direction,
            active_low,
            value: 1,
            consumer: String::from("lamp:relay"),
            edges,
        }
    }

    #[test]
    fn a_line_has_one_holder_at_a_time() {
        let chips = SimChips::new("pinctrl-sim", 54, Clock::system());
        let held = chips
            .request(&at(17), &request(Direction::Output, false, None))
            .expect("free");
        assert_eq!(held.get().expect("level"), 1);
        held.set(0).expect("output");
        assert_eq!(held.get().expect("level"), 0);
        let info = chips.line(&at(17)).expect("info");
        assert_eq!(info.consumer.as_deref(), Some("lamp:relay"));
        match chips.request(&at(17), &request(Direction::Input, false, None)) {
            Err(GpioError::Busy { consumer, .. }) => assert_eq!(consumer, "lamp:relay"),
            _ => panic!("held twice"),
        }
        drop(held);
        assert!(!chips.line(&at(17)).expect("info").used);
        assert!(
            chips
                .request(&at(17), &request(Direction::Input, false, None))
                .is_ok()
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        let chips = SimChips::new("pinctrl-sim", 54, Clock::system());
        let error = chips.line(&at(54)).expect_err("no line").to_string();
        assert!(error.contains("0 to 53"), "{error}");
        let other = LineAddress {
            chip: String::from("rp1"),
            offset: 0,
        };
        let error = chips.line(&other).expect_err("no chip").to_string();
        assert!(error.contains("rp1") && error.contains("pinctrl-sim"), "{error}");
    }

    #[test]
    fn an_edge_is_a_change_of_the_logical_level() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink: EdgeSink = {
            let seen = Arc::clone(&seen);
            Arc::new(move |edge: Edge| seen.lock().expect("seen").push(edge.value))
        };
        let chips = SimChips::new("pinctrl-sim", 54, Clock::system());
        let held = chips
            .request(&at(4), &request(Direction::Input, true, Some(sink)))
            .expect("free");
        assert!(held.has_edges());
        assert_eq!(held.get().expect("level"), 1, "low is active");
        for value in [1, 1, 0] {
            chips.drive(&at(4), value).expect("a simulator").expect("driven");
        }
        assert_eq!(*seen.lock().expect("seen"), [0, 1]);
        drop(held);
        chips.drive(&at(4), 1).expect("a simulator").expect("driven");
        assert_eq!(seen.lock().expect("seen").len(), 2, "nobody holds it");
    }
}
