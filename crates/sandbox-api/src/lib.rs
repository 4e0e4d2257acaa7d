//! Raw types and endpoints of the Sandbox API, generated from its OpenAPI document.
