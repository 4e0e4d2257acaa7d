//! The API's document as a judge of what clients and servers say to each other.
//!
//! [`Contract`] is `sandbox-api-spec.yaml`, compiled: it says what is wrong with a request or with the answer to it.
//! [`Tap`] is a port in front of a server that passes on every byte as it is, listens, and has the contract judge each
//! exchange. The tests of the workspace get the address of a tap wherever they ask for a server's, so none of them has
//! to think of it. What taps have heard is counted in a [coverage] of the document.
//!
//! Servers that speak TLS to a test have no tap: a tap in between would have to be trusted, and TLS is what those
//! tests are about.

pub mod coverage;
mod document;
mod exchange;
mod judge;
#[cfg(feature = "mock")]
mod mock;
#[cfg(feature = "tap")]
mod tap;
mod violation;

pub use document::{Contract, DocumentError, Documented, Located, Operation, RequestBody};
pub use exchange::{Body, Request, Response};
#[cfg(feature = "mock")]
pub use mock::MockServer;
#[cfg(feature = "tap")]
pub use tap::{Tap, TapError};
pub use violation::{Place, Side, Violation};
