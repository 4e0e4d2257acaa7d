//! Turning the document into one that the generator can make a good client from.
//!
//! The document describes what a server does; the generator takes only a part of what can be described, and panics
//! on much of the rest. What is dropped here is dropped for the client alone.

use openapiv3::{
    AdditionalProperties, AnySchema, MediaType, OpenAPI, Operation, PathItem, ReferenceOr, RequestBody,
    Response, Schema, SchemaData, SchemaKind, StatusCode, Type,
};

use crate::{Error, visit};

const MULTIPART: &str = "multipart/form-data";
const JSON: &str = "application/json";

/// Leaves each request body one media type; a form that is offered beside it goes.
pub(crate) fn request_bodies(document: &mut OpenAPI) -> Result<(), Error> {
    each_operation(document, |at, operation| match &mut operation.request_body {
        Some(ReferenceOr::Item(body)) => keep_one_media_type(at, body),
        Some(ReferenceOr::Reference { .. }) => {
            Err(Error::unsupported(at, "a request body that is not written out"))
        }
        None => Ok(()),
    })
}

/// Makes of each operation's error answers the two classes 4XX and 5XX. They all have the same body, and so an error
/// that only some proxy on the way knows, such as 502, is as typed as the documented ones.
pub(crate) fn errors(document: &mut OpenAPI) -> Result<(), Error> {
    let source = document.clone();
    each_operation(document, |at, operation| {
        keep_error_classes(&source, at, operation)
    })
}

/// Lets objects keep properties that are not listed, where the document says in so many words that there may be some.
///
/// That is also what the document's silence means, but a generator that took it so would give every type a map. What it
/// does take so is the schema `{}`, which says the same.
pub(crate) fn open_objects(document: &mut OpenAPI) {
    let schemas = document
        .components
        .iter_mut()
        .flat_map(|components| &mut components.schemas);
    for (_, schema) in schemas {
        if let ReferenceOr::Item(Schema {
            schema_kind: SchemaKind::Type(Type::Object(object)),
            ..
        }) = schema
            && !object.properties.is_empty()
            && object.additional_properties == Some(AdditionalProperties::Any(true))
        {
            let anything = Schema {
                schema_data: SchemaData::default(),
                schema_kind: SchemaKind::Any(AnySchema::default()),
            };
            let anything = Box::new(ReferenceOr::Item(anything));
            object.additional_properties = Some(AdditionalProperties::Schema(anything));
        }
    }
}

fn each_operation(
    document: &mut OpenAPI,
    mut change: impl FnMut(&str, &mut Operation) -> Result<(), Error>,
) -> Result<(), Error> {
    for (path, item) in &mut document.paths.paths {
        let ReferenceOr::Item(item) = item else {
            return Err(Error::unsupported(path.as_str(), "a path in another document"));
        };
        for (method, operation) in operations(item) {
            change(&format!("{method} {path}"), operation)?;
        }
    }
    Ok(())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let methods = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("options", &mut item.options),
        ("head", &mut item.head),
        ("patch", &mut item.patch),
        ("trace", &mut item.trace),
    ];
    methods
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn keep_one_media_type(at: &str, body: &mut RequestBody) -> Result<(), Error> {
    if body.content.len() > 1 {
        body.content.shift_remove(MULTIPART);
    }
    match body.content.len() {
        1 => Ok(()),
        count => Err(Error::unsupported(
            at,
            format!("{count} media types in a request body"),
        )),
    }
}

fn keep_error_classes(document: &OpenAPI, at: &str, operation: &mut Operation) -> Result<(), Error> {
    if operation.responses.default.is_some() {
        return Err(Error::unsupported(at, "a default response"));
    }
    let mut error_body = None;
    for (status, response) in operation
        .responses
        .responses
        .iter()
        .filter(|(status, _)| is_error(status))
    {
        let body = visit::resolve_response(document, response).and_then(json_schema_name);
        let body = body
            .ok_or_else(|| Error::unsupported(format!("{at} {status}"), "an error without a named body"))?;
        if *error_body.get_or_insert(body) != body {
            return Err(Error::unsupported(
                format!("{at} {status}"),
                "a second kind of error body",
            ));
        }
    }
    let Some(error_body) = error_body.map(error_response) else {
        return Err(Error::unsupported(at, "an operation without errors"));
    };
    let responses = &mut operation.responses.responses;
    responses.retain(|status, _| !is_error(status));
    if responses.len() != 1 {
        return Err(Error::unsupported(
            at,
            format!("{} kinds of success", responses.len()),
        ));
    }
    responses.insert(StatusCode::Range(4), ReferenceOr::Item(error_body.clone()));
    responses.insert(StatusCode::Range(5), ReferenceOr::Item(error_body));
    Ok(())
}

fn is_error(status: &StatusCode) -> bool {
    match status {
        StatusCode::Code(code) => *code >= 400,
        StatusCode::Range(class) => *class >= 4,
    }
}

fn json_schema_name(response: &Response) -> Option<&str> {
    match response.content.get(JSON)?.schema.as_ref()? {
        ReferenceOr::Reference { reference } => Some(reference),
        ReferenceOr::Item(_) => None,
    }
}

fn error_response(schema: &str) -> Response {
    let body = MediaType {
        schema: Some(ReferenceOr::ref_(schema)),
        ..MediaType::default()
    };
    Response {
        description: "The request was refused or failed.".to_owned(),
        content: [(JSON.to_owned(), body)].into_iter().collect(),
        ..Response::default()
    }
}
