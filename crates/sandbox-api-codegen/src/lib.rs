//! Generates the Rust client of sandbox-api from the OpenAPI document.
