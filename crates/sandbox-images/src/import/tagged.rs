//! Which of several images is meant.

use super::Parts;
use crate::manifest::invalid;
use crate::{Error, ErrorKind, ImageName, Result};

/// How many tags an error lists, and how much of each.
const LISTED: usize = 16;
const SHOWN: usize = 128;

/// Those that go by this reference; without one, all of them if they are one image.
///
/// What has a tag in common is one image, for instance for several platforms, and so is what is the same; what has no
/// tag at all belongs to whatever is there.
pub(crate) fn choose<T>(
    parts: &Parts,
    mut images: Vec<(Vec<String>, T)>,
    reference: Option<&str>,
    same: impl Fn(&T, &T) -> bool,
) -> Result<Vec<T>> {
    let Some(reference) = reference else {
        let mut tagged = images.iter().filter(|(tags, _)| !tags.is_empty());
        if let Some((tags, first)) = tagged.next()
            && !tagged.all(|(others, it)| same(first, it) || others.iter().any(|tag| tags.contains(tag)))
        {
            let all = list(&images);
            return Err(invalid(format!(
                "{parts} has several images, and it is not said which is meant: {all}"
            )));
        }
        return Ok(images.into_iter().map(|(_, image)| image).collect());
    };
    let all = list(&images);
    images.retain(|(tags, _)| tags.iter().any(|tag| is_meant(tag, reference)));
    if images.is_empty() {
        let reference: String = reference.chars().take(SHOWN).collect();
        let message = format!("{parts} has no image {reference:?}, but: {all}");
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    Ok(images.into_iter().map(|(_, image)| image).collect())
}

/// `python:3.11` means `docker.io/library/python:3.11`, too.
fn is_meant(tag: &str, reference: &str) -> bool {
    let name = |text: &str| text.parse::<ImageName>().ok();
    tag == reference || name(tag).is_some_and(|tag| Some(tag) == name(reference))
}

fn list<T>(images: &[(Vec<String>, T)]) -> String {
    let tags = images.iter().flat_map(|(tags, _)| tags);
    let mut listed: Vec<String> = tags
        .clone()
        .take(LISTED)
        .map(|tag| tag.chars().take(SHOWN).collect())
        .collect();
    if tags.count() > LISTED {
        listed.push("…".to_owned());
    }
    listed.join(", ")
}
