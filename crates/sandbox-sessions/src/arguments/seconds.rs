use std::time::Duration;

use sandbox_api::bounded::BoundedU32;

use crate::Error;

/// Turns a duration into whole seconds, which is how the API counts.
pub(crate) fn whole_seconds<const MIN: u32, const MAX: u32>(
    name: &'static str,
    duration: Duration,
) -> Result<BoundedU32<MIN, MAX>, Error> {
    let refuse = |problem: &str| {
        let reason = format!("is {duration:?}{problem}; it must be whole seconds from {MIN} to {MAX}");
        Error::invalid_argument(name, reason)
    };
    if duration.subsec_nanos() != 0 {
        return Err(refuse(", which has a fraction"));
    }
    BoundedU32::try_from(duration.as_secs()).map_err(|_| refuse(""))
}
