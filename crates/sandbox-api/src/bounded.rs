//! Values that cannot be outside the bounds of the contract.
//!
//! The bounds are parameters of the types, and the code generator takes them from the document: a request that holds
//! a `BoundedU32<60, 28800>` cannot be built with a value that the server would refuse, and a server that reads one
//! refuses such a value with an error that names it and the bounds.

mod integer;
mod string;
mod visible_ascii;

pub use integer::{BoundedU32, IntegerError};
pub use string::{BoundedString, StringError};
pub use visible_ascii::{VisibleAscii, VisibleAsciiError};
