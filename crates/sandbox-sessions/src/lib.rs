//! Client SDK for sandbox sessions.
