//! Sending a request again: when it is right, after which pause, and when to give up.

mod attempts;
mod decision;
mod policy;
#[cfg(test)]
mod tests;

pub(crate) use attempts::{Attempts, full_jitter};
pub(crate) use decision::Repeat;
pub use policy::RetryPolicy;
