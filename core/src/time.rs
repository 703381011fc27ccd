//! Points in time and lengths of time, as text and as numbers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};

/// A point in time: milliseconds since 1970 in UTC. Shown as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time now.
    pub fn now() -> Self {
        Self(crate::sys::clock::wall_milliseconds())
    }

    /// From milliseconds since 1970 in UTC.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since 1970 in UTC.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }
}

/// Where a store takes the time from: the system, or a function for tests.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// What a function says.
    pub fn function(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// The time now.
    #[inline]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(now) => now(),
        }
    }

    /// As [`Clock::now`], cheap enough for every encryption and exact to a few milliseconds.
    #[inline]
    pub(crate) fn coarse_now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp(crate::sys::clock::coarse_wall_milliseconds()),
            Some(now) => now(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_none() { "Clock(system)" } else { "Clock(function)" })
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        SystemTime::UNIX_EPOCH + Duration::from_millis(time.0.max(0) as u64)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last moment that RFC 3339 can write: the end of the year 9999.
        const LAST: u64 = 253_402_300_799_999;
        let shown = (self.0.max(0) as u64).min(LAST);
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(shown);
        write!(out, "{}", humantime::format_rfc3339_millis(time))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a length of time such as `5s`, `500ms` or `30d`; a bare number is refused.
pub fn parse_duration(text: &str) -> Result<Duration> {
    // humantime would take "0" without a unit.
    let has_unit = text.contains(|character: char| character.is_ascii_alphabetic());
    humantime::parse_duration(text).ok().filter(|_| has_unit).ok_or_else(|| {
        Error::invalid(format!("{text:?} is no length of time; write it like \"5s\", \"500ms\" or \"30d\""))
    })
}

/// For serde: a duration as text.
pub(crate) fn deserialize_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(|error| de::Error::custom(error.message().to_owned()))
}

/// For serde: a duration as text, or none.
pub(crate) fn deserialize_optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse_duration(&text).map_err(|error| de::Error::custom(error.message().to_owned())))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_rfc_3339() {
        assert_eq!(Timestamp::from_milliseconds(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::from_milliseconds(i64::MIN).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_milliseconds(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn bare_numbers_are_no_durations() {
        assert_eq!(parse_duration("1500ms").unwrap(), Duration::from_millis(1500));
        assert_eq!(parse_duration("30d").unwrap(), Duration::from_secs(30 * 86_400));
        for bad in ["", "0", "5", "-1s", "1.5", "s", "99999999999999999999s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
