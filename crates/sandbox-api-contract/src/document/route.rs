//! Which operation a request is for.

use http::Method;
use percent_encoding::percent_decode_str;

use super::{Contract, Operation};

/// A path of the document, with its parameters.
#[derive(Debug)]
pub(super) struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Fixed(String),
    Parameter(String),
}

/// An operation, and what the path says of its parameters.
#[derive(Debug)]
pub struct Located<'a> {
    /// What is asked for.
    pub operation: &'a Operation,
    /// By name; `None` for a value that is not text.
    pub path_parameters: Vec<(&'a str, Option<String>)>,
}

impl Contract {
    /// The operation with that method and path, which starts below the base path.
    pub fn locate(&self, method: &Method, path: &str) -> Option<Located<'_>> {
        let of_method = self
            .operations()
            .iter()
            .filter(|operation| operation.method() == method);
        of_method
            .filter_map(|operation| {
                let path_parameters = operation.template.matched(path)?;
                Some(Located {
                    operation,
                    path_parameters,
                })
            })
            // What is written out goes before what a parameter could be.
            .min_by_key(|located| located.path_parameters.len())
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        let segment = |segment: &str| {
            let name = segment
                .strip_prefix('{')
                .and_then(|segment| segment.strip_suffix('}'));
            match name {
                Some(name) => Segment::Parameter(name.to_owned()),
                None => Segment::Fixed(segment.to_owned()),
            }
        };
        Self {
            text: text.to_owned(),
            segments: text.split('/').map(segment).collect(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn matched(&self, path: &str) -> Option<Vec<(&str, Option<String>)>> {
        let mut parameters = Vec::new();
        let mut parts = path.split('/');
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Fixed(fixed) if fixed == part => {}
                Segment::Parameter(name) if !part.is_empty() => {
                    let value = percent_decode_str(part).decode_utf8().ok();
                    parameters.push((name.as_str(), value.map(Into::into)));
                }
                _ => return None,
            }
        }
        parts.next().is_none().then_some(parameters)
    }
}
