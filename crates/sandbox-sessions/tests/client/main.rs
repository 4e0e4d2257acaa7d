//! The client against mocks, and against servers that misbehave.
#![cfg(test)]

mod environment;
mod errors;
mod faults;
mod files;
mod guard;
mod handles;
mod other_servers;
mod paging;
mod requests;
mod retries;
mod secrets;
mod settings;
mod support;
mod tls;
mod validation;
mod wait;
