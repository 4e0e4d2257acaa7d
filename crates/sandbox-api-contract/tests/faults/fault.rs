//! One thing that is wrong.

use sandbox_api_contract::{Place, Violation};

use crate::sample::Sample;

/// An exchange that is right but for one thing.
pub(crate) struct Fault {
    pub(crate) kind: &'static str,
    pub(crate) place: Place,
    pub(crate) sample: Sample,
}

impl Fault {
    /// A copy of an exchange, changed.
    pub(crate) fn of(
        sample: &Sample,
        kind: &'static str,
        place: Place,
        change: impl FnOnce(&mut Sample),
    ) -> Self {
        let mut sample = sample.clone();
        change(&mut sample);
        Self { kind, place, sample }
    }

    /// Whether that is what is wrong here. What may be null is wrong as a whole, wherever it is.
    pub(crate) fn is_found_by(&self, violation: &Violation) -> bool {
        match (&self.place, &violation.place) {
            (Place::Body(here), Place::Body(found)) => here.starts_with(found),
            (here, found) => here == found,
        }
    }

    /// The same, for somebody who looks at the answer alone.
    pub(crate) fn answered(mut self) -> Self {
        self.place = Place::Status;
        self
    }
}
