//! Channels of snaps: `track/risk/branch`, of which a person gives a part (contract: v2, section 3, Snaps).

/// The risks, the safest first.
const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];
/// The track of snaps that have no others.
const DEFAULT_TRACK: &str = "latest";
/// More bytes than any channel has.
const MAX_LENGTH: usize = 255;

/// A text that names no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid channel {0:?}: write TRACK, RISK, TRACK/RISK or TRACK/RISK/BRANCH with a risk of stable, candidate, beta or edge"
)]
pub struct InvalidChannel(pub String);

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

/// The channel that `text` means for who follows `followed` now (empty: nothing), in full: a track that is not given
/// stays the one that is followed.
pub fn in_full(text: &str, followed: &str) -> Result<String, InvalidChannel> {
    let invalid = || InvalidChannel(text.chars().take(MAX_LENGTH).collect());
    if text.len() > MAX_LENGTH {
        return Err(invalid());
    }
    let parts: Vec<&str> = text.split('/').collect();
    let is_risk = |part: &str| RISKS.contains(&part);
    let (track, risk, branch) = match parts.as_slice() {
        [risk] if is_risk(risk) => (None, *risk, None),
        [track] => (Some(*track), RISKS[0], None),
        [track, risk] if is_risk(risk) => (Some(*track), *risk, None),
        [risk, branch] if is_risk(risk) => (None, *risk, Some(*branch)),
        [track, risk, branch] if is_risk(risk) => (Some(*track), *risk, Some(*branch)),
        _ => return Err(invalid()),
    };
    let followed = followed.split('/').next().filter(|track| !track.is_empty());
    let track = track.or(followed).unwrap_or(DEFAULT_TRACK);
    if !is_part(track) || !branch.is_none_or(is_part) {
        return Err(invalid());
    }
    Ok(match branch {
        None => format!("{track}/{risk}"),
        Some(branch) => format!("{track}/{risk}/{branch}"),
    })
}

#[cfg(test)]
mod tests {
    use super::in_full;

    #[test]
    fn what_people_write_is_completed() {
        for (text, followed, full) in [
            ("edge", "", "latest/edge"),
            ("stable", "20/beta", "20/stable"),
            ("20", "latest/edge", "20/stable"),
            ("20/candidate", "latest/edge", "20/candidate"),
            ("beta/fix-1", "20/stable", "20/beta/fix-1"),
            ("latest/edge/x", "", "latest/edge/x"),
        ] {
            assert_eq!(
                in_full(text, followed).as_deref(),
                Ok(full),
                "{text} after {followed:?}"
            );
        }
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        let long = "x".repeat(5_000);
        for text in [
            "",
            "/",
            "a/b",
            "20/",
            "/edge",
            "a/b/c",
            "a/edge/",
            "a/edge/b/c",
            "ä",
            "a b",
            "edge/../x",
            &long,
        ] {
            let error = in_full(text, "latest/stable").expect_err(text);
            assert!(error.to_string().len() < 600, "{}", error.to_string().len());
        }
    }
}
