use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

/// A `u32` in `MIN..=MAX`.
///
/// ```
/// use sandbox_api::bounded::BoundedU32;
///
/// type Timeout = BoundedU32<1, 300>;
/// assert_eq!(Timeout::new(300)?.get(), 300);
/// assert_eq!(Timeout::new(301).unwrap_err().to_string(), "301 is outside 1..=300");
/// # Ok::<(), sandbox_api::bounded::IntegerError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BoundedU32<const MIN: u32, const MAX: u32>(u32);

/// Why something is not a [`BoundedU32`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegerError {
    /// An integer, but too small or too large.
    #[error("{value} is outside {min}..={max}")]
    OutOfBounds {
        /// The value given.
        value: i128,
        /// The smallest value allowed.
        min: u32,
        /// The largest value allowed.
        max: u32,
    },
    /// A text that is not an integer.
    #[error("{text:?} is not an integer in {min}..={max}")]
    NotAnInteger {
        /// The beginning of the text given, at most 32 characters.
        text: String,
        /// The smallest value allowed.
        min: u32,
        /// The largest value allowed.
        max: u32,
    },
}

impl<const MIN: u32, const MAX: u32> BoundedU32<MIN, MAX> {
    /// The smallest value allowed.
    pub const MIN: u32 = MIN;
    /// The largest value allowed.
    pub const MAX: u32 = MAX;

    /// Checks the value.
    ///
    /// # Errors
    /// [`IntegerError::OutOfBounds`] if the value is not in `MIN..=MAX`.
    pub const fn new(value: u32) -> Result<Self, IntegerError> {
        if MIN <= value && value <= MAX {
            Ok(Self(value))
        } else {
            Err(IntegerError::OutOfBounds {
                value: value as i128,
                min: MIN,
                max: MAX,
            })
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    fn from_wide(value: i128) -> Result<Self, IntegerError> {
        let outside = IntegerError::OutOfBounds {
            value,
            min: MIN,
            max: MAX,
        };
        u32::try_from(value).map_err(|_| outside).and_then(Self::new)
    }
}

macro_rules! try_from {
    ($($integer:ty),+) => {$(
        impl<const MIN: u32, const MAX: u32> TryFrom<$integer> for BoundedU32<MIN, MAX> {
            type Error = IntegerError;

            fn try_from(value: $integer) -> Result<Self, IntegerError> {
                Self::from_wide(value.into())
            }
        }
    )+};
}

try_from!(i32, u32, i64, u64);

impl<const MIN: u32, const MAX: u32> From<BoundedU32<MIN, MAX>> for u32 {
    fn from(value: BoundedU32<MIN, MAX>) -> Self {
        value.0
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for BoundedU32<MIN, MAX> {
    type Err = IntegerError;

    fn from_str(text: &str) -> Result<Self, IntegerError> {
        match text.parse() {
            Ok(value) => Self::from_wide(value),
            Err(_) => Err(IntegerError::NotAnInteger {
                text: text.chars().take(32).collect(),
                min: MIN,
                max: MAX,
            }),
        }
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Debug for BoundedU32<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for BoundedU32<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for BoundedU32<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // All widths, so that a value of any size is refused by naming it and the bounds, not the width.
        deserializer.deserialize_u64(Bounds::<MIN, MAX>)
    }
}

struct Bounds<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Visitor<'_> for Bounds<MIN, MAX> {
    type Value = BoundedU32<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer in {MIN}..={MAX}")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        BoundedU32::try_from(value).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        BoundedU32::try_from(value).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ttl = BoundedU32<60, 28800>;

    fn refused(json: &str) -> String {
        serde_json::from_str::<Ttl>(json).unwrap_err().to_string()
    }

    #[test]
    fn takes_both_bounds_and_nothing_beyond_them() {
        for (value, expected) in [
            (59, false),
            (60, true),
            (28800, true),
            (28801, false),
            (0, false),
            (u32::MAX, false),
        ] {
            assert_eq!(Ttl::new(value).is_ok(), expected, "{value}");
            assert_eq!(
                serde_json::from_str::<Ttl>(&value.to_string()).is_ok(),
                expected,
                "{value}"
            );
            assert_eq!(value.to_string().parse::<Ttl>().is_ok(), expected, "{value}");
        }
    }

    #[test]
    fn names_value_and_bounds_for_integers_of_any_size() {
        assert!(refused("59").starts_with("59 is outside 60..=28800"));
        assert!(refused("-1").starts_with("-1 is outside 60..=28800"));
        assert!(refused("18446744073709551615").starts_with("18446744073709551615 is outside 60..=28800"));
        // Larger ones are floating point numbers to the JSON reader.
        assert!(refused("99999999999999999999").contains("expected an integer in 60..=28800"));
        assert_eq!(
            Ttl::try_from(u64::MAX).unwrap_err().to_string(),
            "18446744073709551615 is outside 60..=28800"
        );
    }

    #[test]
    fn refuses_what_is_not_an_integer() {
        for json in ["\"60\"", "60.5", "60.0", "null", "true", "[60]", "{}"] {
            assert!(
                refused(json).contains("expected an integer in 60..=28800"),
                "{json}: {}",
                refused(json)
            );
        }
        let long = "x".repeat(1000);
        assert_eq!(
            long.parse::<Ttl>().unwrap_err(),
            IntegerError::NotAnInteger {
                text: "x".repeat(32),
                min: 60,
                max: 28800
            }
        );
        assert_eq!(
            "".parse::<Ttl>().unwrap_err().to_string(),
            "\"\" is not an integer in 60..=28800"
        );
    }

    #[test]
    fn is_written_as_a_bare_number() {
        assert_eq!(serde_json::to_string(&Ttl::new(60).unwrap()).unwrap(), "60");
        assert_eq!(format!("{0} {0:?}", Ttl::new(60).unwrap()), "60 60");
    }
}
