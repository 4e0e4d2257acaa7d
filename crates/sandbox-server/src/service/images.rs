//! Which images sessions can be made from.

use std::collections::BTreeMap;

use serde_json::Value;

use sandbox_images::ImageName;

use super::error::{Error, ErrorKind, Result};
use crate::backend::{Capabilities, Image};

/// The images of the backend and the other names they go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Images {
    /// Name → the backend's image. Every image has its own name here, too.
    by_name: BTreeMap<String, String>,
    default: String,
    /// Whether any other name is that of an OCI image.
    oci: bool,
}

/// An alias does not lead to an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image alias {alias:?} stands for {target:?}, which is not available; available are: {available}")]
pub(crate) struct UnknownTarget {
    alias: String,
    target: String,
    available: String,
}

impl Images {
    /// The first image is the default one.
    pub(crate) fn new(
        capabilities: &Capabilities,
        aliases: &BTreeMap<String, String>,
    ) -> Result<Self, UnknownTarget> {
        let images = &capabilities.images;
        let mut by_name: BTreeMap<String, String> = images
            .iter()
            .map(|image| (image.clone(), image.clone()))
            .collect();
        for (alias, target) in aliases {
            let target = match oci_name(capabilities.oci_images, target) {
                _ if images.contains(target) => target.clone(),
                Some(name) => name,
                None => {
                    let (alias, target) = (alias.clone(), target.clone());
                    return Err(UnknownTarget {
                        alias,
                        target,
                        available: images.join(", "),
                    });
                }
            };
            by_name.insert(alias.clone(), target);
        }
        Ok(Self {
            by_name,
            default: images.first().cloned().unwrap_or_default(),
            oci: capabilities.oci_images,
        })
    }

    pub(crate) fn resolve(&self, asked: Option<&str>) -> Result<Image> {
        let name = asked.unwrap_or(&self.default);
        let known = self.by_name.get(name).cloned();
        match known.or_else(|| oci_name(self.oci, name)) {
            Some(reference) => Ok(Image {
                name: name.to_owned(),
                reference,
            }),
            None => Err(self.not_found(name)),
        }
    }

    fn not_found(&self, name: &str) -> Error {
        let available: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        let message = format!(
            "image {name:?} is not available; available are: {}",
            available.join(", ")
        );
        Error::new(ErrorKind::ImageNotFound, message).detail("available", Value::from(available))
    }
}

/// The whole name of an OCI image.
fn oci_name(oci: bool, name: &str) -> Option<String> {
    let parsed = oci.then(|| name.parse::<ImageName>().ok()).flatten()?;
    Some(parsed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(oci_images: bool) -> Capabilities {
        Capabilities {
            images: vec!["host".to_owned()],
            oci_images,
            ..Capabilities::default()
        }
    }

    #[test]
    fn any_other_name_is_that_of_an_oci_image_where_there_are_some() {
        let images = Images::new(&host(true), &aliases(&[("py", "python:3.11")])).unwrap();
        for (asked, reference) in [
            ("host", "host"),
            ("py", "docker.io/library/python:3.11"),
            ("python:3.11", "docker.io/library/python:3.11"),
        ] {
            let image = images.resolve(Some(asked)).unwrap();
            assert_eq!(
                (image.name.as_str(), image.reference.as_str()),
                (asked, reference)
            );
        }
        let error = images.resolve(Some("../../etc")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ImageNotFound);
    }

    fn aliases(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(alias, target)| ((*alias).to_owned(), (*target).to_owned()))
            .collect()
    }

    #[test]
    fn an_alias_is_shown_as_it_was_asked_for() {
        let images = Images::new(&host(false), &aliases(&[("python:3.11", "host")])).unwrap();
        let image = images.resolve(Some("python:3.11")).unwrap();
        assert_eq!(
            (image.name.as_str(), image.reference.as_str()),
            ("python:3.11", "host")
        );
        assert_eq!(images.resolve(None).unwrap().name, "host");
    }

    #[test]
    fn an_unknown_image_is_refused_naming_the_available_ones() {
        let images = Images::new(&host(false), &aliases(&[("python:3.11", "host")])).unwrap();
        let error = images.resolve(Some("ubuntu:22.04")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ImageNotFound);
        assert_eq!(
            error.message,
            r#"image "ubuntu:22.04" is not available; available are: host, python:3.11"#
        );
    }

    #[test]
    fn an_alias_of_nothing_is_an_error_at_start() {
        let error = Images::new(&host(false), &aliases(&[("a", "b")])).unwrap_err();
        assert!(error.to_string().contains("available are: host"), "{error}");
    }
}
