//! The kernel's GPIO character device through the gpio-cdev crate: version 1 of the ABI (decision 11).

#![allow(unsafe_code)]

use super::numbers::SysfsGpio;
use super::{CDEV_V1, ChipInfo, Chips, Edge, EdgeSink, GpioError, Held, LineInfo, Request, no_chip};
use crate::domain::hardware::{Direction, LineAddress};
use crate::domain::{Timestamp, sort};
use crate::drivers::clock::{Clock, monotonic_ns};
use gpio_cdev::{EventRequestFlags, LineDirection, LineEventHandle, LineHandle, LineRequestFlags};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::SystemTime;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// How many events the kernel keeps for a line; as many at once may mean that more were dropped.
const KERNEL_QUEUE: usize = 16;

/// The chips of `/dev`.
pub struct Cdev {
    dev: PathBuf,
    numbers: SysfsGpio,
    clock: Clock,
    runtime: Handle,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When the folder last changed as of the last look: chips come and go with their nodes.
    stamp: Option<SystemTime>,
    chips: Vec<(ChipInfo, gpio_cdev::Chip)>,
}

impl Cdev {
    /// The chips whose nodes are in `dev` and whose numbers `numbers` knows. Edges are read on `runtime`.
    pub fn new(dev: impl Into<PathBuf>, numbers: SysfsGpio, clock: Clock, runtime: Handle) -> Self {
        Self {
            dev: dev.into(),
            numbers,
            clock,
            runtime,
            seen: Mutex::default(),
        }
    }

    /// The chips as of the last look.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.stamp.is_some() {
            return seen;
        }
        drop(seen);
        self.seen_now()
    }

    /// The chips as of now: looked for again only when the folder of the nodes changed.
    fn seen_now(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = fs::metadata(&self.dev).and_then(|meta| meta.modified()).ok();
        if seen.stamp.is_none() || seen.stamp != stamp {
            seen.chips = self.scan();
            seen.stamp = stamp;
        }
        seen
    }

    fn scan(&self) -> Vec<(ChipInfo, gpio_cdev::Chip)> {
        let Ok(entries) = fs::read_dir(&self.dev) else {
            return Vec::new();
        };
        let mut numbered: Vec<(u32, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name();
                let number = name.to_str()?.strip_prefix("gpiochip")?.parse().ok()?;
                Some((number, entry.path()))
            })
            .collect();
        sort::by(&mut numbered, Ord::cmp);
        let mut chips: Vec<(ChipInfo, gpio_cdev::Chip)> = numbered
            .into_iter()
            .filter_map(|(_, path)| match gpio_cdev::Chip::new(&path) {
                Ok(chip) => Some(chip),
                Err(error) => {
                    log::warn!("{} cannot be used: {error}", path.display());
                    None
                }
            })
            .filter(|chip| !chip.label().starts_with("gpio-aggregator"))
            .map(|chip| (describe(&chip), chip))
            .collect();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for (info, _) in &chips {
            *count.entry(info.label.clone()).or_default() += 1;
        }
        for (info, _) in &mut chips {
            if info.label.is_empty() || count[&info.label] > 1 {
                info.key.clone_from(&info.name);
            }
        }
        chips
    }

    /// The line of an address.
    fn kernel_line(&self, at: &LineAddress) -> Result<gpio_cdev::Line, GpioError> {
        let mut seen = self.seen();
        let Some(index) = seen.chips.iter().position(|(info, _)| info.key == at.chip) else {
            return Err(no_chip(&at.chip, seen.chips.iter().map(|(info, _)| info)));
        };
        let (info, chip) = &mut seen.chips[index];
        if at.offset >= info.lines {
            return Err(GpioError::NoLine {
                label: at.chip.clone(),
                offset: at.offset,
                last: info.lines.saturating_sub(1),
            });
        }
        if info.capabilities.is_empty() {
            return Err(GpioError::NoAbi {
                label: at.chip.clone(),
            });
        }
        chip.get_line(at.offset)
            .map_err(|source| failed("open", at, source))
    }

    /// A request that the kernel refused: busy with the consumer's name where somebody holds the line.
    fn refused(&self, at: &LineAddress, source: gpio_cdev::Error) -> GpioError {
        match self.line(at) {
            Ok(info) if info.used => GpioError::Busy {
                label: at.chip.clone(),
                offset: at.offset,
                consumer: info.consumer.unwrap_or_else(|| String::from("somebody unnamed")),
            },
            _ => failed("hold", at, source),
        }
    }
}

fn describe(chip: &gpio_cdev::Chip) -> ChipInfo {
    let speaks = chip.lines().next().is_none_or(|line| line.info().is_ok());
    if !speaks {
        log::error!(
            "{} ({}): {}",
            chip.name(),
            chip.label(),
            GpioError::NoAbi {
                label: chip.label().to_owned()
            }
        );
    }
    ChipInfo {
        name: chip.name().to_owned(),
        label: chip.label().to_owned(),
        key: chip.label().to_owned(),
        lines: chip.num_lines(),
        node: fs::metadata(chip.path()).map_or(0, |meta| meta.ino()),
        capabilities: if speaks { CDEV_V1 } else { &[] },
    }
}

fn failed(
    action: &'static str,
    at: &LineAddress,
    source: impl std::error::Error + Send + Sync + 'static,
) -> GpioError {
    GpioError::Io {
        action,
        label: at.chip.clone(),
        offset: at.offset,
        source: Box::new(source),
    }
}

impl Chips for Cdev {
    fn list(&self) -> Vec<ChipInfo> {
        self.seen_now()
            .chips
            .iter()
            .map(|(info, _)| info.clone())
            .collect()
    }

    fn line(&self, at: &LineAddress) -> Result<LineInfo, GpioError> {
        let info = self
            .kernel_line(at)?
            .info()
            .map_err(|source| failed("look at", at, source))?;
        Ok(LineInfo {
            name: info.name().map(str::to_owned),
            direction: match info.direction() {
                LineDirection::In => Direction::Input,
                LineDirection::Out => Direction::Output,
            },
            active_low: info.is_active_low(),
            used: info.is_kernel(),
            consumer: info.consumer().map(str::to_owned),
        })
    }

    fn request(&self, at: &LineAddress, request: &Request) -> Result<Box<dyn Held>, GpioError> {
        let line = self.kernel_line(at)?;
        let mut flags = match request.direction {
            Direction::Input => LineRequestFlags::INPUT,
            Direction::Output => LineRequestFlags::OUTPUT,
        };
        if request.active_low {
            flags |= LineRequestFlags::ACTIVE_LOW;
        }
        if let (Direction::Input, Some(sink)) = (request.direction, &request.edges) {
            match line.events(flags.clone(), EventRequestFlags::BOTH_EDGES, &request.consumer) {
                Ok(handle) => return self.watch(at, handle, Arc::clone(sink)),
                Err(error) => match self.refused(at, error) {
                    // A chip that cannot interrupt still gives levels.
                    GpioError::Io { source, .. } => {
                        log::info!("line {} of {} gives no edges: {source}", at.offset, at.chip);
                    }
                    busy => return Err(busy),
                },
            }
        }
        let handle = line
            .request(flags, request.value, &request.consumer)
            .map_err(|error| self.refused(at, error))?;
        Ok(Box::new(HeldLine {
            at: at.clone(),
            direction: request.direction,
            handle,
        }))
    }

    fn by_number(&self, number: u32) -> Option<LineAddress> {
        let (label, offset) = self.numbers.resolve(number)?;
        let seen = self.seen();
        let (info, _) = seen.chips.iter().find(|(info, _)| info.label == label)?;
        Some(LineAddress {
            chip: info.key.clone(),
            offset,
        })
    }
}

struct HeldLine {
    at: LineAddress,
    direction: Direction,
    handle: LineHandle,
}

impl Held for HeldLine {
    fn get(&self) -> Result<u8, GpioError> {
        self.handle
            .get_value()
            .map_err(|source| failed("read", &self.at, source))
    }

    fn set(&self, value: u8) -> Result<(), GpioError> {
        if self.direction == Direction::Input {
            return Err(GpioError::NotOutput {
                label: self.at.chip.clone(),
                offset: self.at.offset,
            });
        }
        self.handle
            .set_value(value)
            .map_err(|source| failed("set", &self.at, source))
    }

    fn has_edges(&self) -> bool {
        false
    }
}

// ---------------------------------------------------------------- edges

/// The descriptor of a watched input. The holder takes it out to close it at once: a task that still owned it would
/// keep the line busy until the runtime got round to dropping the task.
type Watched = Arc<Mutex<Option<AsyncFd<LineEventHandle>>>>;

struct HeldInput {
    at: LineAddress,
    watched: Watched,
    reader: AbortHandle,
}

impl Cdev {
    fn watch(
        &self,
        at: &LineAddress,
        handle: LineEventHandle,
        sink: EdgeSink,
    ) -> Result<Box<dyn Held>, GpioError> {
        fcntl(&handle, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|source| failed("watch", at, source))?;
        let _context = self.runtime.enter();
        // SAFETY: the handle owns its open descriptor, never gives another one, and the AsyncFd owns the handle.
        let watched = unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) }
            .map_err(|error| failed("watch", at, std::io::Error::from(error)))?;
        let watched: Watched = Arc::new(Mutex::new(Some(watched)));
        let reader = self
            .runtime
            .spawn(read_edges(
                Arc::clone(&watched),
                at.clone(),
                self.clock.clone(),
                sink,
            ))
            .abort_handle();
        Ok(Box::new(HeldInput {
            at: at.clone(),
            watched,
            reader,
        }))
    }
}

impl Held for HeldInput {
    fn get(&self) -> Result<u8, GpioError> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        match &*watched {
            Some(fd) => fd
                .get_ref()
                .get_value()
                .map_err(|source| failed("read", &self.at, source)),
            None => Err(failed(
                "read",
                &self.at,
                std::io::Error::from(ErrorKind::BrokenPipe),
            )),
        }
    }

    fn set(&self, _value: u8) -> Result<(), GpioError> {
        Err(GpioError::NotOutput {
            label: self.at.chip.clone(),
            offset: self.at.offset,
        })
    }

    fn has_edges(&self) -> bool {
        true
    }
}

impl Drop for HeldInput {
    fn drop(&mut self) {
        drop(self.watched.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.reader.abort();
    }
}

/// Hands the edges of one line to its sink until the holder lets go or the chip goes away.
async fn read_edges(watched: Watched, at: LineAddress, clock: Clock, sink: EdgeSink) {
    let mut last = None;
    std::future::poll_fn(|cx| {
        loop {
            let batch = {
                let watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(fd) = &*watched else {
                    return Poll::Ready(());
                };
                match fd.poll_read_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(mut guard)) => {
                        let batch = drain(guard.get_inner());
                        guard.clear_ready();
                        batch
                    }
                }
            };
            match batch {
                Ok(batch) => report(&batch, &mut last, &clock, &sink),
                Err(error) => {
                    log::warn!("edges of line {} of {} have ended: {error}", at.offset, at.chip);
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}

/// What the kernel had queued for a line.
struct Batch {
    /// Level after the edge and its time stamp.
    edges: Vec<(u8, u64)>,
    /// The level, read when the queue was full: some edges may be missing.
    level: Option<u8>,
}

fn drain(handle: &LineEventHandle) -> std::io::Result<Batch> {
    // struct gpioevent_data: u64 time stamp, u32 id (1 rising, 2 falling), padded to the alignment of u64.
    const LENGTH: usize = 12_usize.next_multiple_of(align_of::<u64>());
    let mut edges = Vec::new();
    let mut buffer = [0; LENGTH];
    loop {
        match handle.file().read(&mut buffer) {
            Ok(LENGTH) => {
                let (stamp, rest) = buffer.split_at(8);
                let stamp = u64::from_ne_bytes(stamp.try_into().unwrap_or_default());
                edges.push((u8::from(rest[..4] == 1u32.to_ne_bytes()), stamp));
            }
            Ok(_) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let level = if edges.len() >= KERNEL_QUEUE {
        handle.get_value().ok()
    } else {
        None
    };
    Ok(Batch { edges, level })
}

/// Tells a batch to the sink. Two edges to the same level in a row mean that one between them is lost.
fn report(batch: &Batch, last: &mut Option<u8>, clock: &Clock, sink: &EdgeSink) {
    let (now_wall, now_mono) = (clock.now(), monotonic_ns());
    for (value, stamp) in &batch.edges {
        let (monotonic_ns, time) = moments(*stamp, now_mono, now_wall);
        sink(Edge {
            value: *value,
            monotonic_ns,
            time,
            resync: *last == Some(*value),
        });
        *last = Some(*value);
    }
    if let Some(value) = batch.level {
        sink(Edge {
            value,
            monotonic_ns: now_mono,
            time: now_wall,
            resync: true,
        });
        *last = Some(value);
    }
}

/// Both clocks' readings of a stamp. Kernels before 5.7 stamp by the wall clock: such a stamp lies decades ahead of the
/// monotonic clock.
fn moments(stamp: u64, now_mono: u64, now_wall: Timestamp) -> (u64, Timestamp) {
    const HOUR: u64 = 3_600_000_000_000;
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    if stamp > now_mono.saturating_add(HOUR) {
        let age = now_wall.0.saturating_sub(signed(stamp)).max(0).unsigned_abs();
        (now_mono.saturating_sub(age), Timestamp(signed(stamp)))
    } else {
        let age = signed(now_mono.saturating_sub(stamp));
        (stamp, Timestamp(now_wall.0.saturating_sub(age)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_both_clocks_become_both_moments() {
        let wall = Timestamp(1_700_000_000_000_000_000);
        assert_eq!(moments(90, 100, wall), (90, Timestamp(wall.0 - 10)));
        assert_eq!(
            moments(1_699_999_999_999_999_980, 100, wall),
            (80, Timestamp(1_699_999_999_999_999_980))
        );
    }

    #[test]
    fn a_lost_edge_is_said() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink: EdgeSink = {
            let seen = Arc::clone(&seen);
            Arc::new(move |edge: Edge| seen.lock().expect("seen").push((edge.value, edge.resync)))
        };
        let mut last = None;
        let batch = Batch {
            edges: vec![(1, 1), (0, 2), (0, 3)],
            level: Some(1),
        };
        report(&batch, &mut last, &Clock::system(), &sink);
        assert_eq!(
            *seen.lock().expect("seen"),
            [(1, false), (0, false), (0, true), (1, true)]
        );
    }

    #[tokio::test]
    async fn a_folder_without_chips_has_none_and_says_so() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("gpiochip0"), "no device").expect("file");
        let chips = Cdev::new(
            dir.path(),
            SysfsGpio::new(dir.path()),
            Clock::system(),
            Handle::current(),
        );
        assert!(chips.list().is_empty());
        let at = LineAddress {
            chip: String::from("pinctrl-bcm2711"),
            offset: 17,
        };
        let error = chips.line(&at).expect_err("no chip").to_string();
        assert!(
            error.contains("pinctrl-bcm2711") && error.contains("none"),
            "{error}"
        );
    }
}
