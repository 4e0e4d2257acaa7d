//! What a tap hears, and that nobody notices it.
#![cfg(test)]

mod hears;
mod over_tls;
mod passes_on;
mod script;
