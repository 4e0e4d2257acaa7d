//! How long each operation took, and how it failed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use sandbox_sessions::Error;
use tokio::time::Instant;

/// What is measured, by name.
pub(super) type Operation = &'static str;

/// Everything that was measured so far.
#[derive(Default)]
pub(super) struct Statistics(Mutex<BTreeMap<Operation, Measured>>);

struct Measured {
    /// In microseconds, to three digits.
    times: Histogram<u64>,
    /// By what they are told apart with.
    errors: BTreeMap<String, u64>,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            times: Histogram::new(3).expect("three digits are possible"),
            errors: BTreeMap::new(),
        }
    }
}

impl Statistics {
    /// Takes the time of an operation. `None` when it failed, which is counted.
    pub(super) async fn time<T>(
        &self,
        operation: Operation,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Option<T> {
        let start = Instant::now();
        let outcome = future.await;
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        match outcome {
            Ok(value) => {
                self.of(operation, |measured| measured.times += took);
                Some(value)
            }
            Err(error) => {
                self.fail(operation, name_of(&error));
                None
            }
        }
    }

    /// Counts a failure.
    pub(super) fn fail(&self, operation: Operation, error: String) {
        self.of(operation, |measured| {
            *measured.errors.entry(error).or_default() += 1
        });
    }

    /// How many operations failed, all together.
    pub(super) fn errors(&self) -> u64 {
        self.measured()
            .values()
            .flat_map(|measured| measured.errors.values())
            .sum()
    }

    /// How many operations of a name succeeded.
    pub(super) fn count(&self, operation: Operation) -> u64 {
        self.measured()
            .get(operation)
            .map_or(0, |measured| measured.times.len())
    }

    /// A table of all of it, which took so long.
    pub(super) fn table(&self, time: Duration) -> impl fmt::Display {
        let measured = self.measured();
        let mut table = format!(
            "{:14} {:>8} {:>8} {:>10} {:>10} {:>10} {:>7}\n",
            "operation", "count", "per s", "p50 ms", "p99 ms", "p99.9 ms", "errors"
        );
        for (operation, Measured { times, errors }) in &*measured {
            let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
            table += &format!(
                "{operation:14} {:8} {:8.1} {:10.2} {:10.2} {:10.2} {:7}\n",
                times.len(),
                times.len() as f64 / time.as_secs_f64(),
                at(0.5),
                at(0.99),
                at(0.999),
                errors.values().sum::<u64>()
            );
            for (error, count) in errors {
                table += &format!("    {count} × {error}\n");
            }
        }
        table
    }

    fn of(&self, operation: Operation, change: impl FnOnce(&mut Measured)) {
        change(self.measured().entry(operation).or_default());
    }

    fn measured(&self) -> MutexGuard<'_, BTreeMap<Operation, Measured>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The API's code for it, or what kind of failure it is.
fn name_of(error: &Error) -> String {
    match error.error_code() {
        Some(code) => code.to_owned(),
        None => format!("{:?}: {}", error.kind(), error.message()),
    }
}
