//! The tests of this package are its test targets; this library holds the README's code to its word.

/// Compiles the Rust code in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
