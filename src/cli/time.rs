//! Moments as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// An RFC 3339 moment relative to today in the local zone, as `snap` shows it; as it came with `absolute` or when it
/// is no moment.
pub fn shown(text: &str, absolute: bool) -> String {
    relative(text, absolute, Timestamp::now(), &TimeZone::system())
}

fn relative(text: &str, absolute: bool, now: Timestamp, zone: &TimeZone) -> String {
    let Ok(moment) = text.parse::<Timestamp>() else {
        return if text.is_empty() { "-" } else { text }.to_owned();
    };
    let local = moment.to_zoned(zone.clone());
    if absolute {
        return local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    }
    let today = now.to_zoned(zone.clone()).date();
    let clock = local.strftime("%H:%M %Z");
    if local.date() == today {
        format!("today at {clock}")
    } else if Some(local.date()) == today.yesterday().ok() {
        format!("yesterday at {clock}")
    } else {
        local.strftime("%Y-%m-%d").to_string()
    }
}

/// The time of day with milliseconds, for streams.
pub fn of_day(text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(
        |_| text.to_owned(),
        |moment| {
            moment
                .to_zoned(TimeZone::system())
                .strftime("%H:%M:%S%.3f")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().expect("a moment");
        let shown = |text| relative(text, false, now, &TimeZone::UTC);
        assert_eq!(shown("2026-11-22T07:05:00.123Z"), "today at 07:05 UTC");
        assert_eq!(shown("2026-11-21T23:59:00Z"), "yesterday at 23:59 UTC");
        assert_eq!(shown("2026-10-01T00:00:00Z"), "2026-10-01");
        assert_eq!(shown(""), "-");
        assert_eq!(
            relative("2026-11-22T07:05:00.123Z", true, now, &TimeZone::UTC),
            "2026-11-22T07:05:00+00:00"
        );
    }
}
