//! The grammar of timers: `mon,10:00-12:00`, `00:00~24:00/4`, `fri5,23:00,,9:00` (contract: snaps-and-assertions,
//! section 1). Events joined by `,,`, each made of week days and then times; a time span with `~` means a moment
//! somewhere in it, `/N` divides it into N spans.

use super::Timestamp;
use super::sort;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use std::fmt;

/// A longer text is no schedule.
pub const LONGEST: usize = 512;

/// So many starts in a day are one in each minute.
const MOST_IN_A_DAY: usize = 1440;

/// Every schedule comes round within two months (`mon5` is the last Monday of a month).
const LOOK_AHEAD: i32 = 70;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {part:?}: {advice}")]
pub struct ScheduleError {
    what: &'static str,
    part: String,
    advice: &'static str,
}

fn wrong(what: &'static str, part: &str, advice: &'static str) -> ScheduleError {
    ScheduleError {
        what,
        part: part.chars().filter(|c| !c.is_control()).take(40).collect(),
        advice,
    }
}

/// A day of the week, perhaps only the one in a certain week of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// 0 is Monday.
    pub weekday: i8,
    /// 1 to 4; 5 is the last one of the month; 0 is every week.
    pub week: i8,
}

/// From one day to another, both in it. It may go round the end of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    pub first: Day,
    pub last: Day,
}

/// A part of a day in which there is one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Minutes since midnight, at most 1440.
    pub start: u16,
    /// Minutes; it may reach into the next day.
    pub length: u16,
    /// The event is somewhere in it, not at its start.
    pub spread: bool,
}

/// A time or a span of times as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    from: u16,
    to: u16,
    spread: bool,
    count: u16,
}

/// Days and times that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// None means every day.
    pub days: Vec<Days>,
    times: Vec<Times>,
}

/// When something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub events: Vec<Events>,
}

impl Schedule {
    /// Reads a schedule.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(wrong(
                "a schedule cannot be as long or short as",
                text,
                "write days and times, such as mon,10:00-12:00",
            ));
        }
        let events = text.split(",,").map(Events::parse).collect::<Result<_, _>>()?;
        let schedule = Self { events };
        let starts: usize = schedule.events.iter().map(|events| events.windows().len()).sum();
        if starts > MOST_IN_A_DAY {
            return Err(wrong(
                "there are too many events in",
                text,
                "ask for at most one in each minute",
            ));
        }
        Ok(schedule)
    }

    /// The first event whose window begins after a moment. `pick` answers a number from 0 up to its own, to spread
    /// events over their windows.
    pub fn next(&self, after: Timestamp, zone: &TimeZone, pick: &dyn Fn(u32) -> u32) -> Option<Timestamp> {
        let today = civil(after, zone)?.date();
        // A window of yesterday may begin at the end of its day.
        let mut found: Option<Timestamp> = None;
        for offset in -1..LOOK_AHEAD {
            let date = today.checked_add(offset.days()).ok()?;
            let had_one = found.is_some();
            let begins = self.events.iter().filter(|events| events.is_on(date));
            for window in begins.flat_map(Events::windows) {
                let Some(begin) = moment(date, window.start, zone).filter(|begin| *begin > after) else {
                    continue;
                };
                let seconds = match window.spread {
                    true => pick(spread_seconds(window.length)),
                    false => 0,
                };
                let event = begin.plus_seconds(i64::from(seconds));
                if found.is_none_or(|found| event < found) {
                    found = Some(event);
                }
            }
            // An event of the next day may come before one that is spread over the end of this day.
            if had_one {
                break;
            }
        }
        found
    }

    /// A moment lies in one of the windows; a single time counts as its minute.
    pub fn includes(&self, now: Timestamp, zone: &TimeZone) -> bool {
        let Some(today) = civil(now, zone).map(DateTime::date) else {
            return false;
        };
        let yesterday = today.checked_sub(1.day()).unwrap_or(today);
        [yesterday, today].into_iter().any(|date| {
            let on = self.events.iter().filter(|events| events.is_on(date));
            on.flat_map(Events::windows).any(|window| {
                let Some(begin) = moment(date, window.start, zone) else {
                    return false;
                };
                let end = begin.plus_seconds(i64::from(window.length.max(1)) * 60);
                begin <= now && now < end
            })
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, events) in self.events.iter().enumerate() {
            if position > 0 {
                f.write_str(",,")?;
            }
            let days = events.days.iter().map(Days::to_string);
            let all: Vec<String> = days.chain(events.times.iter().map(Times::to_string)).collect();
            f.write_str(&all.join(","))?;
        }
        Ok(())
    }
}

fn civil(moment: Timestamp, zone: &TimeZone) -> Option<DateTime> {
    let moment = jiff::Timestamp::from_nanosecond(i128::from(moment.0)).ok()?;
    Some(moment.to_zoned(zone.clone()).datetime())
}

/// Minutes after a day's midnight as a moment. A time that a change of the clocks leaves out is as much later.
fn moment(date: Date, minutes: u16, zone: &TimeZone) -> Option<Timestamp> {
    let (days, minutes) = (minutes / 1440, minutes % 1440);
    let date = date.checked_add(i64::from(days).days()).ok()?;
    let hour = i8::try_from(minutes / 60).ok()?;
    let minute = i8::try_from(minutes % 60).ok()?;
    let zoned = date.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?;
    i64::try_from(zoned.timestamp().as_nanosecond())
        .ok()
        .map(Timestamp)
}

/// In how many seconds of a window an event may be: the last five minutes of a long one stay free, so that events of
/// two windows do not meet.
fn spread_seconds(minutes: u16) -> u32 {
    u32::from(if minutes > 5 { minutes - 5 } else { minutes }) * 60
}

impl Events {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut events = Self {
            days: Vec::new(),
            times: Vec::new(),
        };
        for part in text.split(',') {
            if part.contains(':') {
                events.times.push(Times::parse(part)?);
            } else if part.is_empty() {
                return Err(wrong(
                    "there is nothing between two commas in",
                    text,
                    "write a day or a time",
                ));
            } else if events.times.is_empty() {
                events.days.push(Days::parse(part)?);
            } else {
                return Err(wrong(
                    "a day stands after a time",
                    part,
                    "write days first, or begin a new event with two commas",
                ));
            }
        }
        Ok(events)
    }

    /// The windows of a day on which there are events, in order.
    pub fn windows(&self) -> Vec<Window> {
        let mut windows: Vec<Window> = self.times.iter().flat_map(Times::windows).collect();
        if self.times.is_empty() {
            windows.push(Window {
                start: 0,
                length: 0,
                spread: false,
            });
        }
        sort::by(&mut windows, Ord::cmp);
        windows.dedup_by_key(|window| window.start);
        windows
    }

    fn is_on(&self, date: Date) -> bool {
        self.days.is_empty() || self.days.iter().any(|days| days.include(date))
    }
}

impl Days {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, mut last) = (Day::parse(first)?, Day::parse(last)?);
        if first.week > 0 && last.week > 0 {
            if last.week < first.week {
                return Err(wrong(
                    "the days go backwards in",
                    text,
                    "name the earlier week first",
                ));
            }
            // Which week the end lies in follows from the beginning.
            if first != last {
                last.week = 0;
            }
        }
        Ok(Self { first, last })
    }

    /// How many days after the first the last one is.
    pub fn length(self) -> i64 {
        match (self.last.weekday - self.first.weekday).rem_euclid(7) {
            0 if self.first != self.last => 7,
            days => i64::from(days),
        }
    }

    fn include(self, date: Date) -> bool {
        let today = date.weekday().to_monday_zero_offset();
        if self.first.week == 0 && self.last.week == 0 {
            return i64::from((today - self.first.weekday).rem_euclid(7)) <= self.length();
        }
        // The days are anchored at the one that has a week, in this month or in the one before or after it.
        let at_first = self.first.week > 0;
        let anchor = if at_first { self.first } else { self.last };
        let neighbour = if at_first {
            date.first_of_month().checked_sub(1.day())
        } else {
            date.last_of_month().checked_add(1.day())
        };
        [Ok(date), neighbour].into_iter().flatten().any(|month| {
            let Some(anchor) = anchor.in_month(month) else {
                return false;
            };
            let length = self.length().days();
            let other = if at_first {
                anchor.checked_add(length)
            } else {
                anchor.checked_sub(length)
            };
            other.is_ok_and(|other| (anchor.min(other)..=anchor.max(other)).contains(&date))
        })
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.first != self.last {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

impl Day {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let bad = || {
            wrong(
                "there is no day",
                text,
                "write mon to sun, with a number from 1 to 5 for one week of the month",
            )
        };
        let (name, week) = text.split_at_checked(3).ok_or_else(bad)?;
        let weekday = DAYS.iter().position(|day| *day == name).ok_or_else(bad)?;
        let week = match week.as_bytes() {
            [] => 0,
            [digit @ b'1'..=b'5'] => digit - b'0',
            _ => return Err(bad()),
        };
        Ok(Self {
            weekday: i8::try_from(weekday).unwrap_or_default(),
            week: i8::try_from(week).unwrap_or_default(),
        })
    }

    /// The name that the grammar has for its day of the week.
    pub fn name(self) -> &'static str {
        usize::try_from(self.weekday)
            .ok()
            .and_then(|day| DAYS.get(day))
            .unwrap_or(&"mon")
    }

    /// Its date in the month that a date lies in.
    fn in_month(self, month: Date) -> Option<Date> {
        let weekday = Weekday::from_monday_zero_offset(self.weekday).ok()?;
        let nth = if self.week == 5 { -1 } else { self.week };
        month.nth_weekday_of_month(nth, weekday).ok()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if self.week > 0 {
            write!(f, "{}", self.week)?;
        }
        Ok(())
    }
}

impl Times {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let (span, count) = match text.split_once('/') {
            None => (text, 1),
            Some((span, count)) => {
                let number = count
                    .bytes()
                    .all(|b| b.is_ascii_digit())
                    .then(|| count.parse().ok());
                let number = number
                    .flatten()
                    .filter(|n| (1..=MOST_IN_A_DAY).contains(&usize::from(*n)));
                let advice = "write a number from 1 to 1440 after the slash";
                (
                    span,
                    number.ok_or_else(|| wrong("there is no count in", text, advice))?,
                )
            }
        };
        let at = span.find(['-', '~']);
        if at.is_none() && span.len() < text.len() {
            return Err(wrong(
                "a single time is divided in",
                text,
                "divide a span, such as 9:00-11:00/2",
            ));
        }
        let (from, to, spread) = match at {
            None => (clock(span)?, clock(span)?, false),
            Some(at) => (
                clock(&span[..at])?,
                clock(&span[at + 1..])?,
                span.as_bytes()[at] == b'~',
            ),
        };
        let mut times = Self {
            from,
            to,
            spread,
            count,
        };
        // Nothing to divide or to spread over: it is a single time, however it is written.
        if times.length() == 0 {
            times.spread = false;
            times.count = 1;
        }
        Ok(times)
    }

    /// How many minutes there are from its beginning to its end, perhaps over midnight.
    fn length(self) -> u16 {
        if self.to >= self.from {
            self.to - self.from
        } else {
            1440 - self.from % 1440 + self.to
        }
    }

    fn windows(&self) -> impl Iterator<Item = Window> + use<> {
        let Self {
            from, spread, count, ..
        } = *self;
        let (length, count) = (u32::from(self.length()), u32::from(count));
        // Smaller than 2 * 1440 each.
        let minutes = move |part: u32| u16::try_from(length * part / count).unwrap_or_default();
        (0..count).map(move |part| Window {
            start: from + minutes(part),
            length: minutes(part + 1) - minutes(part),
            spread,
        })
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.from / 60, self.from % 60)?;
        if self.from == self.to {
            return Ok(());
        }
        let joint = if self.spread { '~' } else { '-' };
        write!(f, "{joint}{:02}:{:02}", self.to / 60, self.to % 60)?;
        if self.count > 1 {
            write!(f, "/{}", self.count)?;
        }
        Ok(())
    }
}

/// Minutes since midnight; `24:00` is the end of the day.
fn clock(text: &str) -> Result<u16, ScheduleError> {
    let number = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse::<u16>().ok())?
    };
    let read = text.split_once(':').and_then(|(hour, minute)| {
        if !(1..=2).contains(&hour.len()) || minute.len() != 2 {
            return None;
        }
        Some((number(hour)?, number(minute)?))
    });
    match read {
        Some((hour @ 0..=23, minute @ 0..=59)) => Ok(hour * 60 + minute),
        Some((24, 0)) => Ok(1440),
        _ => Err(wrong("there is no time", text, "write it from 0:00 to 24:00")),
    }
}

#[cfg(test)]
mod tests;
