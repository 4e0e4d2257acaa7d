//! The owner's own words about a session, within bounds.

use serde_json::{Map, Value};

use super::error::{Error, Result};

/// Bytes of JSON.
const SIZE_LIMIT: usize = 16 << 10;

/// Levels of objects and arrays, the metadata itself being the first.
const DEPTH_LIMIT: usize = 32;

pub(super) fn check(metadata: &Map<String, Value>) -> Result<()> {
    if !is_shallow(metadata.values(), DEPTH_LIMIT) {
        let why = format!("is nested more than {DEPTH_LIMIT} levels deep");
        return Err(Error::invalid("metadata", why).detail("maximum", DEPTH_LIMIT));
    }
    let size = serde_json::to_vec(metadata).map_or(usize::MAX, |json| json.len());
    if size > SIZE_LIMIT {
        let why = format!("takes {size} bytes as JSON, more than {SIZE_LIMIT}");
        return Err(Error::invalid("metadata", why).detail("maximum", SIZE_LIMIT));
    }
    Ok(())
}

/// Whether these values, inside something, make no more than `levels` levels with it. The parser has bounded the
/// depth already, if less.
fn is_shallow<'a>(mut values: impl Iterator<Item = &'a Value>, levels: usize) -> bool {
    levels > 0
        && values.all(|value| match value {
            Value::Array(inner) => is_shallow(inner.iter(), levels - 1),
            Value::Object(inner) => is_shallow(inner.values(), levels - 1),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Map<String, Value> {
        (1..levels).fold(Map::new(), |inner, _| {
            Map::from_iter([("a".to_owned(), Value::Object(inner))])
        })
    }

    #[test]
    fn the_depth_is_bounded() {
        assert!(check(&nested(DEPTH_LIMIT)).is_ok());
        let error = check(&nested(DEPTH_LIMIT + 1)).unwrap_err();
        assert!(error.message.contains("32"), "{}", error.message);
    }

    #[test]
    fn the_size_is_bounded() {
        let sized = |length| Map::from_iter([("a".to_owned(), Value::from("x".repeat(length)))]);
        let frame = r#"{"a":""}"#.len();
        assert!(check(&sized(SIZE_LIMIT - frame)).is_ok());
        let error = check(&sized(SIZE_LIMIT - frame + 1)).unwrap_err();
        assert!(error.message.contains("16384"), "{}", error.message);
    }
}
