//! Durations as the contract writes them: `1h30m`, `500ms`, `168h0m0s`.

use std::time::Duration;

const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Reads one; `None` when it is none. A negative one is no wait at all.
pub fn parse(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        seconds += number * unit;
        rest = &rest[end..];
    }
    if negative {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// Writes whole seconds: `672h0m0s`, `1m0s`, `5s`, `0s`.
pub fn text(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("7m30s", 450_000),
            ("1.5h", 5_400_000),
            ("500ms", 500),
            ("2µs", 0),
            ("0", 0),
            ("-5s", 0),
            ("+1s", 1_000),
        ] {
            let read = parse(text).map(|duration| duration.as_millis());
            assert_eq!(read, Some(milliseconds), "{text}");
        }
        for text in ["", "5", "s", "1x", "1s2", ".s", "-", "1..2s", "9e99h", "ä"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(text(28 * 24 * 3600), "672h0m0s");
        assert_eq!(
            (text(90), text(5), text(0)),
            ("1m30s".into(), "5s".into(), "0s".into())
        );
    }
}
