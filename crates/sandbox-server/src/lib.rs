//! Self-hosted server of the Sandbox API.
