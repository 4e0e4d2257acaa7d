//! Bounds of numbers and strings become types.
//!
//! The generator drops the bounds of integers, and checks those of strings with a regular expression engine and
//! messages that do not name the value. Both become hand-written types whose parameters are the bounds, so that a
//! value out of bounds cannot be sent, and is refused by name when it is received.

use std::collections::BTreeMap;

use openapiv3::{IntegerType, OpenAPI, Schema, SchemaKind, StringType, Type, VariantOrUnknownOrEmpty};
use progenitor::{GenerationSettings, TypeImpl};
use schemars08::schema::SchemaObject;
use serde_json::json;

use crate::{Error, visit};

/// The patterns that bounded strings have, and the type for each. A NUL byte can be part of no path, argument or
/// variable on Unix; visible ASCII can be a header's value.
const PATTERNS: [(&str, &str); 2] = [(r"^[^\x00]*$", "BoundedString"), ("^[!-~]+$", "VisibleAscii")];

/// Tells the generator which type to use for each bounded schema. `api` is the path of the crate that has them.
pub(crate) fn register(
    document: &OpenAPI,
    api: &str,
    settings: &mut GenerationSettings,
) -> Result<(), Error> {
    // By name, because the same bounds may stand in many places.
    let mut types = BTreeMap::new();
    for (at, schema) in visit::all(document) {
        let bounded = match &schema.schema_kind {
            SchemaKind::Type(Type::Integer(integer)) => bounded_integer(&at, schema, integer)?,
            SchemaKind::Type(Type::String(string)) => bounded_string(&at, string)?,
            other => {
                refuse_other_bounds(&at, other)?;
                None
            }
        };
        types.extend(bounded);
    }
    for (name, schema) in types {
        let impls = [TypeImpl::Display, TypeImpl::FromStr];
        settings.with_conversion(schema, format!("{api}::bounded::{name}"), impls.into_iter());
    }
    Ok(())
}

fn bounded_integer(
    at: &str,
    schema: &Schema,
    integer: &IntegerType,
) -> Result<Option<(String, SchemaObject)>, Error> {
    if integer.exclusive_minimum || integer.exclusive_maximum || integer.multiple_of.is_some() {
        return Err(Error::unsupported(
            at,
            "an integer with an exclusive bound or a multiple",
        ));
    }
    let format = match &integer.format {
        VariantOrUnknownOrEmpty::Unknown(format) => format.as_str(),
        VariantOrUnknownOrEmpty::Item(_) | VariantOrUnknownOrEmpty::Empty => "",
    };
    let (min, max) = match (integer.minimum, integer.maximum) {
        (None, None) => return Ok(None),
        // What the format says, said to those who do not know the format.
        (Some(0), None) if format == "uint64" => return Ok(None),
        (Some(min), Some(max)) => (min, max),
        _ => return Err(Error::unsupported(at, "an integer with only one bound")),
    };
    let (Ok(low), Ok(high), "uint32") = (u32::try_from(min), u32::try_from(max), format) else {
        return Err(Error::unsupported(at, "a bounded integer that is not a uint32"));
    };
    if (low, high) == (u32::MIN, u32::MAX) {
        return Ok(None);
    }
    if let Some(default) = &schema.schema_data.default
        && !default
            .as_i64()
            .is_some_and(|default| (min..=max).contains(&default))
    {
        return Err(Error::unsupported(
            at,
            format!("the default {default} outside {min}..={max}"),
        ));
    }
    let bounds = json!({ "type": "integer", "format": format, "minimum": low, "maximum": high });
    Ok(Some((
        format!("BoundedU32<{low}, {high}>"),
        schema_object(at, bounds)?,
    )))
}

fn bounded_string(at: &str, string: &StringType) -> Result<Option<(String, SchemaObject)>, Error> {
    let Some(pattern) = &string.pattern else {
        return match (string.min_length, string.max_length) {
            (None, None) => Ok(None),
            _ => Err(Error::unsupported(
                at,
                format!(
                    "a bounded string without a pattern; known are {}",
                    known_patterns()
                ),
            )),
        };
    };
    let known = PATTERNS.iter().find(|(known, _)| known == pattern);
    let (Some((_, name)), Some(max)) = (known, string.max_length) else {
        let what = format!(
            "the pattern {pattern}; known, with a maxLength, are {}",
            known_patterns()
        );
        return Err(Error::unsupported(at, what));
    };
    let mut bounds = json!({ "type": "string", "pattern": pattern, "maxLength": max });
    if let (Some(min), Some(bounds)) = (string.min_length, bounds.as_object_mut()) {
        bounds.insert("minLength".to_owned(), min.into());
    }
    let min = string.min_length.unwrap_or(0);
    Ok(Some((
        format!("{name}<{min}, {max}>"),
        schema_object(at, bounds)?,
    )))
}

fn known_patterns() -> String {
    PATTERNS.map(|(pattern, _)| pattern).join(" and ")
}

/// The remaining kinds have no bounded types. The generator ignores their bounds.
fn refuse_other_bounds(at: &str, kind: &SchemaKind) -> Result<(), Error> {
    let what = match kind {
        SchemaKind::Type(Type::Number(number)) if number.minimum.is_some() || number.maximum.is_some() => {
            "a number with bounds"
        }
        SchemaKind::Type(Type::Array(array)) if array.min_items.is_some() || array.max_items.is_some() => {
            "an array with bounds"
        }
        SchemaKind::Type(Type::Object(object))
            if object.min_properties.is_some() || object.max_properties.is_some() =>
        {
            "an object with bounds"
        }
        SchemaKind::Any(_) => "a schema without a type",
        _ => return Ok(()),
    };
    Err(Error::unsupported(at, what))
}

/// The schema as the generator compares it with the document's: without descriptions, defaults and examples.
fn schema_object(at: &str, schema: serde_json::Value) -> Result<SchemaObject, Error> {
    serde_json::from_value(schema).map_err(|error| Error::unsupported(at, error.to_string()))
}
