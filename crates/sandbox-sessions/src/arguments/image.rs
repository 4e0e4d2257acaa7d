use sandbox_api::bounded::BoundedString;

use super::text;
use crate::Error;

/// Checks that `image` can be an image reference: `[registry[:port]/]path[:tag][@digest]`.
///
/// Deliberately no more than the character set and the shape of the path, since what names there are is the
/// API's business; this catches what is certainly a mistake, such as a URL, a space or an option.
pub(crate) fn check_image<const MIN: usize, const MAX: usize>(
    image: String,
) -> Result<BoundedString<MIN, MAX>, Error> {
    let image: BoundedString<MIN, MAX> = text("image", image)?;
    let name = image.as_str();
    if let Some(wrong) = name
        .chars()
        .find(|&c| !c.is_ascii_alphanumeric() && !"._-:/@+".contains(c))
    {
        let reason = format!("{name:?} has the character {wrong:?}, which no image reference has");
        return Err(Error::invalid_argument("image", reason));
    }
    let sound = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if !name.split(['/', ':', '@']).all(sound) {
        let reason = format!("{name:?} is not an image reference such as python:3.11");
        return Err(Error::invalid_argument("image", reason));
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &str) -> Result<BoundedString<1, 255>, Error> {
        check_image(image.to_owned())
    }

    #[test]
    fn accepts_image_references() {
        for image in [
            "host",
            "python:3.11",
            "ubuntu:22.04",
            "library/python:3.11-slim",
            "registry.example.com:5000/team/image_name:v1.2.3",
            "ghcr.io/team/image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "localhost:5000/image:tag@sha256:9f86d081884c7d659a2feaa0c55ad015",
        ] {
            assert_eq!(check(image).unwrap().as_str(), image);
        }
    }

    #[test]
    fn refuses_what_is_no_image_reference() {
        for (image, reason) in [
            ("", "is empty"),
            ("python 3.11", "has the character ' '"),
            ("python:3.11\n", "has the character '\\n'"),
            ("python\0", "has a NUL character at byte 6"),
            ("pythön", "has the character 'ö'"),
            ("--privileged", "is not an image reference"),
            ("https://example.com/image", "is not an image reference"),
            ("/etc/passwd", "is not an image reference"),
            ("team/../image", "is not an image reference"),
            ("python:", "is not an image reference"),
            (":3.11", "is not an image reference"),
        ] {
            let message = check(image).unwrap_err().message().to_owned();
            assert!(
                message.starts_with("image ") && message.contains(reason),
                "{image:?}: {message}"
            );
        }
        let message = check(&"x".repeat(256)).unwrap_err().message().to_owned();
        assert_eq!(message, "image is 256 characters long; it must be from 1 to 255");
    }
}
