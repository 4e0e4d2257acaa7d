//! The environment a command starts in.

use std::{collections::BTreeMap, ffi::OsString, path::Path, time::Duration};

use crate::{LINGER_VARIABLE, TIMEOUT_VARIABLE, place::Place};

/// What one channel may set: variables, and bytes of their names and values together.
const MAX_VARIABLES: usize = 256;
const MAX_BYTES: usize = 256 << 10;

const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// What a peer asked to set before it started its command.
#[derive(Debug, Default)]
pub(crate) struct Requested {
    variables: BTreeMap<String, String>,
    bytes: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) linger: Option<Duration>,
}

/// The peer may not set this, or not to that, or no more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Requested {
    /// Takes a variable, or an option if `control` says that the peer is the server itself.
    pub(crate) fn set(&mut self, name: &str, value: &str, control: bool) -> Result<(), Refused> {
        let option = match name {
            TIMEOUT_VARIABLE => &mut self.timeout,
            LINGER_VARIABLE => &mut self.linger,
            _ => return self.set_variable(name, value),
        };
        if !control {
            return Err(Refused);
        }
        let milliseconds = value.parse::<u32>().map_err(|_| Refused)?;
        *option = Some(Duration::from_millis(milliseconds.into()));
        Ok(())
    }

    fn set_variable(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        if !is_name(name) || value.contains('\0') {
            return Err(Refused);
        }
        let bytes = self.bytes + name.len() + value.len();
        if self.variables.len() >= MAX_VARIABLES || bytes > MAX_BYTES {
            return Err(Refused);
        }
        self.bytes = bytes;
        self.variables.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The whole environment: as after a login, with the image's over it, and with what was requested over that.
    pub(crate) fn complete(&self, place: &Place, term: Option<&str>) -> Vec<(OsString, OsString)> {
        let pair = |(name, value): (&String, &String)| (name.into(), value.into());
        let mut all: BTreeMap<OsString, OsString> = base(place).into_iter().collect();
        all.extend(place.environment.iter().map(|(name, value)| pair((name, value))));
        if let Some(term) = term {
            all.insert("TERM".into(), term.into());
        }
        all.extend(self.variables.iter().map(pair));
        all.into_iter().collect()
    }
}

/// The environment after a login, with nothing requested.
pub(crate) fn base(place: &Place) -> Vec<(OsString, OsString)> {
    vec![
        ("HOME".into(), place.home.clone().into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("LOGNAME".into(), crate::USER.into()),
        ("PATH".into(), PATH.into()),
        (
            "SHELL".into(),
            place.shell().unwrap_or(Path::new("/bin/sh")).into(),
        ),
        ("USER".into(), crate::USER.into()),
    ]
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_of_the_shell_only() {
        for name in ["A", "_", "a_1", "PATH"] {
            assert_eq!(Requested::default().set(name, "x", false), Ok(()), "{name}");
        }
        for name in ["", "1A", "A-B", "A=B", "Ä", "A\0", "A B"] {
            assert_eq!(
                Requested::default().set(name, "x", false),
                Err(Refused),
                "{name:?}"
            );
        }
        assert_eq!(Requested::default().set("A", "x\0y", false), Err(Refused));
    }

    #[test]
    fn bounds_number_and_size() {
        let mut requested = Requested::default();
        for n in 0..MAX_VARIABLES {
            assert_eq!(requested.set(&format!("V{n}"), "x", false), Ok(()));
        }
        assert_eq!(requested.set("ONE_MORE", "x", false), Err(Refused));
        assert_eq!(
            Requested::default().set("BIG", &"x".repeat(MAX_BYTES), false),
            Err(Refused)
        );
    }

    #[test]
    fn options_are_for_the_server_and_never_passed_on() {
        let mut requested = Requested::default();
        assert_eq!(requested.set(TIMEOUT_VARIABLE, "5", false), Err(Refused));
        assert_eq!(requested.set(TIMEOUT_VARIABLE, "-5", true), Err(Refused));
        assert_eq!(requested.set(TIMEOUT_VARIABLE, "5", true), Ok(()));
        assert_eq!(requested.timeout, Some(Duration::from_millis(5)));
        let environment = requested.complete(&Place::sandbox(), None);
        assert!(environment.iter().all(|(name, _)| name != TIMEOUT_VARIABLE));
    }

    #[test]
    fn requested_values_replace_those_of_the_login() {
        let mut requested = Requested::default();
        requested.set("HOME", "/elsewhere", false).unwrap();
        let environment = requested.complete(&Place::sandbox(), Some("xterm"));
        let homes: Vec<_> = environment.iter().filter(|(name, _)| name == "HOME").collect();
        assert_eq!(homes, [&("HOME".into(), "/elsewhere".into())]);
        assert!(environment.contains(&("TERM".into(), "xterm".into())));
    }

    #[test]
    fn the_image_wins_over_the_login_and_the_request_over_the_image() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let place = Place {
            environment: vec![pair("PATH", "/opt/bin"), pair("MODE", "image")],
            ..Place::sandbox()
        };
        let mut requested = Requested::default();
        requested.set("MODE", "request", false).unwrap();
        let environment = requested.complete(&place, None);
        for (name, value) in [("PATH", "/opt/bin"), ("MODE", "request"), ("USER", crate::USER)] {
            assert!(environment.contains(&(name.into(), value.into())), "{name}");
        }
        assert!(!base(&place).contains(&("MODE".into(), "image".into())));
    }
}
