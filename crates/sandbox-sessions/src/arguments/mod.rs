//! Checks of what the caller passes, made before anything is sent.
//!
//! Each refusal names the argument, the value (unless it may be a secret or is large) and the bound. Bounds
//! that the contract states come with its types: they are inferred from the field that a value is for.

mod image;
mod integer;
mod metadata;
mod seconds;
mod ssh_public_key;
mod text;
mod variable_name;
mod visible_ascii;

pub(crate) use image::check_image;
pub(crate) use integer::integer;
pub(crate) use metadata::to_metadata;
pub(crate) use seconds::whole_seconds;
pub(crate) use ssh_public_key::check_ssh_public_key;
pub(crate) use text::text;
pub(crate) use variable_name::check_variable_name;
pub(crate) use visible_ascii::visible_ascii;
