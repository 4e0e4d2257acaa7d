use sandbox_api::bounded::BoundedU32;

use crate::Error;

/// Checks a number.
pub(crate) fn integer<const MIN: u32, const MAX: u32>(
    name: &'static str,
    value: u32,
) -> Result<BoundedU32<MIN, MAX>, Error> {
    BoundedU32::new(value)
        .map_err(|_| Error::invalid_argument(name, format!("is {value}; it must be from {MIN} to {MAX}")))
}
