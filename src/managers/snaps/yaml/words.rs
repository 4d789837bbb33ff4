//! The small grammars inside snap.yaml: versions, commands, durations, sockets.

/// `^[a-zA-Z0-9](?:[a-zA-Z0-9:.+~-]{0,30}[a-zA-Z0-9+~])?$`
pub(super) fn is_version(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || b":.+~-".contains(b);
    let last = |b: &u8| b.is_ascii_alphanumeric() || b"+~".contains(b);
    match bytes {
        [] => false,
        [only] => only.is_ascii_alphanumeric(),
        [first, middle @ .., end] => {
            bytes.len() <= 32 && first.is_ascii_alphanumeric() && middle.iter().all(inner) && last(end)
        }
    }
}

/// What commands may be made of: `^[A-Za-z0-9/. _#:$-]*$`.
pub(super) fn is_command(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/. _#:$-".contains(&b))
}

/// The same without a space: one item of a command chain.
pub(super) fn is_chain_item(text: &str) -> bool {
    is_command(text) && !text.contains(' ')
}

/// `^[a-zA-Z0-9][-_.a-zA-Z0-9]*$`
pub(super) fn is_alias(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Names of sockets: letters, digits and single dashes with at least one letter.
pub(super) fn is_socket_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// A Go duration (`1m30s`, `500ms`, `0`) in whole milliseconds; `None` for any other text. A negative one is
/// `Some` with a negative number.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|end| *end > 0)?;
        let number: f64 = rest[..number_end].parse().ok()?;
        rest = &rest[number_end..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..unit_end] {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            _ => return None,
        };
        rest = &rest[unit_end..];
        total += number * unit;
    }
    // Go's durations end at 2^63 nanoseconds.
    if total > 9.2e12 {
        return None;
    }
    // Bounded just above.
    #[allow(clippy::cast_possible_truncation)]
    let whole = total as i64;
    Some(if negative { -whole } else { whole })
}

/// Where a service's socket may listen: below its own folders, an abstract name of its own, or a port.
pub(super) fn is_listen_stream(text: &str, snap: &str) -> bool {
    if let Some(rest) = text.strip_prefix('@') {
        return rest
            .strip_prefix("snap.")
            .and_then(|rest| rest.strip_prefix(snap))
            .is_some_and(|rest| {
                rest.len() > 1 && rest.starts_with('.') && !rest.chars().any(char::is_control)
            });
    }
    if text.contains('/') || text.starts_with('$') {
        let below = ["$SNAP_DATA/", "$SNAP_COMMON/", "$XDG_RUNTIME_DIR/"];
        return below
            .iter()
            .any(|dir| text.strip_prefix(dir).is_some_and(is_clean_path));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    matches!(host, "" | "127.0.0.1" | "[::1]" | "[::]")
        && !port.starts_with('+')
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A relative path without empty parts, `.`, `..` or control characters.
pub(super) fn is_clean_path(text: &str) -> bool {
    !text.is_empty()
        && !text.chars().any(char::is_control)
        && text
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

/// An octal mode up to 0777.
pub(super) fn octal_mode(text: &str, most: u32) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if digits.is_empty() || digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= most)
}

/// Hooks that are run (contract: snaps-and-assertions, section 3); files and entries of other names are ignored.
pub(super) fn is_hook(name: &str) -> bool {
    const HOOKS: [&str; 10] = [
        "prepare-device",
        "install-device",
        "configure",
        "install",
        "pre-refresh",
        "post-refresh",
        "remove",
        "check-health",
        "fde-setup",
        "gate-auto-refresh",
    ];
    const OF_ENDS: [&str; 8] = [
        "prepare-plug-",
        "prepare-slot-",
        "unprepare-plug-",
        "unprepare-slot-",
        "connect-plug-",
        "connect-slot-",
        "disconnect-plug-",
        "disconnect-slot-",
    ];
    HOOKS.contains(&name)
        || OF_ENDS.iter().any(|prefix| {
            name.strip_prefix(prefix)
                .is_some_and(crate::domain::names::is_interface_word)
        })
}
