use crate::Error;

/// Names that start so are options of the agent inside the sandbox.
const RESERVED: &str = "SANDBOX_AGENT_";

/// Checks the name of an environment variable.
pub(crate) fn check_variable_name(name: &str) -> Result<(), Error> {
    let refuse = |reason: &str| {
        let shown: String = name.chars().take(64).collect();
        Err(Error::invalid_argument(
            "environment variable",
            format!("{shown:?} {reason}"),
        ))
    };
    let word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !word || name.starts_with(|first: char| first.is_ascii_digit()) {
        return refuse("must consist of ASCII letters, digits and underscores and not start with a digit");
    }
    if name.starts_with(RESERVED) {
        return refuse("starts with the reserved SANDBOX_AGENT_");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_names_from_anything_else() {
        for name in [
            "A",
            "_",
            "path",
            "HTTP_PROXY",
            "a1",
            "SANDBOX_AGENT",
            "MY_SANDBOX_AGENT_X",
        ] {
            check_variable_name(name).unwrap();
        }
        for name in [
            "",
            "1A",
            "A B",
            "A=B",
            "A\0",
            "ä",
            "A-B",
            "SANDBOX_AGENT_TIMEOUT_MS",
        ] {
            assert!(check_variable_name(name).is_err(), "{name}");
        }
        let message = check_variable_name("A=B").unwrap_err().message().to_owned();
        assert!(
            message.starts_with("environment variable \"A=B\" must consist of"),
            "{message}"
        );
    }
}
