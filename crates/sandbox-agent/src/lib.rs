//! PID 1 of a sandbox and its SSH server.
