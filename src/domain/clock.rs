//! A moment of the wall clock as a plain number; reading the clock is the clock driver's work.

use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// RFC 3339 in UTC with up to nine fractional digits, trailing zeros trimmed (the form that the /v2 contract has).
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => moment.to_string(),
            Err(_) => String::from("1970-01-01T00:00:00Z"),
        }
    }

    /// The moment that an RFC 3339 text names.
    pub fn parse(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(moment.as_nanosecond()).ok().map(Self)
    }

    /// Later by `seconds`.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn fractions_are_trimmed() {
        assert_eq!(
            Timestamp(1_500_000_000_120_000_000).rfc3339(),
            "2017-07-14T02:40:00.12Z"
        );
        assert_eq!(
            Timestamp(1_500_000_000_000_000_000).rfc3339(),
            "2017-07-14T02:40:00Z"
        );
        assert_eq!(
            Timestamp::parse("2017-07-14T04:40:00.12+02:00"),
            Some(Timestamp(1_500_000_000_120_000_000))
        );
    }
}
