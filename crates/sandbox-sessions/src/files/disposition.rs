//! `Content-Disposition` (RFC 6266), as far as it suggests a name for a file.

use reqwest::header::HeaderValue;

/// The suggested name: the exact one of `filename*` if that can be read, else that of `filename`.
pub(super) fn file_name(header: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(header.as_bytes());
    let parameters: Vec<(String, String)> = parameters(&text);
    let find = |wanted: &str| {
        let found = parameters.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let name = find("filename*")
        .and_then(decode)
        .or_else(|| find("filename").map(str::to_owned))?;
    is_plain(&name).then_some(name)
}

/// Whether a file of this name can only be made in the folder for which it is meant.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':']) && !name.contains(char::is_control)
}

/// What follows the disposition type: names in lower case, values without their quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let Some((_, mut rest)) = text.split_once(';') else {
        return found;
    };
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, next) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), next)
            }
        };
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = next;
    }
    found
}

/// A quoted string from behind its first quote, and what comes after the next semicolon.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    let next = characters.as_str();
    (value, next.split_once(';').map_or("", |(_, next)| next))
}

/// The value of an extended parameter (RFC 8187) in UTF-8.
fn decode(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn finds_the_name_and_prefers_the_exact_one() {
        for (header, expected) in [
            (r#"attachment; filename="a b.csv""#, Some("a b.csv")),
            (
                r#"attachment; filename="____"; filename*=UTF-8''%C3%BC%20%25"#,
                Some("ü %"),
            ),
            (r#"attachment; FileName=plain.txt ; size=3"#, Some("plain.txt")),
            (r#"attachment; filename="a\"b;c=d""#, Some("a\"b;c=d")),
            (r#"attachment;filename*=latin1''x; filename=y"#, Some("y")),
            (r#"attachment; filename*=UTF-8''%FF; filename=y"#, Some("y")),
            (r#"attachment; filename*=UTF-8''%; filename=y"#, Some("y")),
            (r#"attachment; filename="open"#, Some("open")),
            ("attachment", None),
            ("", None),
            ("; =", None),
        ] {
            let header = HeaderValue::from_bytes(header.as_bytes()).unwrap();
            assert_eq!(file_name(&header).as_deref(), expected, "{header:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_suggested() {
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\\\b", "C:x"] {
            let header = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).unwrap();
            assert_eq!(file_name(&header), None, "{name}");
        }
        let header = HeaderValue::from_static("attachment; filename*=UTF-8''%2e%2e%2fx; filename=x");
        assert_eq!(file_name(&header), None);
        let header = HeaderValue::from_static("attachment; filename*=UTF-8''a%0Ab");
        assert_eq!(file_name(&header), None);
    }

    type Finds = fn(&HeaderValue) -> Option<String>;

    fn any_header_suggests_a_plain_name_or_none(find: Finds) -> Result<(), String> {
        let parameters =
            "[a-z]{0,3}(; ?(filename|FILENAME|filename\\*)=(\"|utf-8''|)[a-z%0-9\\\\\"./;ü ]{0,12}\"?){0,3}";
        let values = prop_oneof![any::<Vec<u8>>(), parameters.prop_map(String::into_bytes)];
        let tried = TestRunner::deterministic().run(&values, |value| {
            if let Ok(value) = HeaderValue::from_bytes(&value)
                && let Some(name) = find(&value)
            {
                let plain = std::path::Path::new(&name).file_name();
                prop_assert!(plain.is_some_and(|plain| plain == name.as_str()), "{name:?}");
            }
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_header_is_harmless() {
        any_header_suggests_a_plain_name_or_none(file_name).unwrap();
    }

    #[test]
    fn a_name_that_is_taken_as_it_comes_is_noticed() {
        let careless: Finds = |header| {
            let (_, name) = header.to_str().ok()?.split_once("filename=")?;
            Some(name.to_owned())
        };
        any_header_suggests_a_plain_name_or_none(careless).unwrap_err();
    }

    fn what_is_encoded_is_decoded(find: Finds) -> Result<(), String> {
        let names = prop_oneof!["[^/\\\\:\\p{Cc}]{1,32}", "[ a%\";ü]{1,8}"];
        let tried = TestRunner::deterministic().run(&names, |name| {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let header = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{encoded}")).unwrap();
            let plain = !matches!(name.as_str(), "." | "..");
            prop_assert_eq!(find(&header), plain.then_some(name));
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_name_is_decoded() {
        what_is_encoded_is_decoded(file_name).unwrap();
    }

    #[test]
    fn a_name_that_is_trimmed_is_noticed() {
        let trimming: Finds = |header| file_name(header).map(|name| name.trim_end().to_owned());
        what_is_encoded_is_decoded(trimming).unwrap_err();
    }
}
