//! Finding the schemas from which the generator makes types.
//!
//! Response headers are not among them: the generator makes no types for those.

use openapiv3::{
    AdditionalProperties, AnySchema, Header, OpenAPI, Parameter, ParameterSchemaOrContent, ReferenceOr,
    Response, Schema, SchemaKind, Type,
};

/// A schema written out in the document, or the name of one, and where it stands.
pub(crate) struct Place<'a> {
    pub(crate) at: String,
    pub(crate) schema: Target<'a>,
}

pub(crate) enum Target<'a> {
    Inline(&'a Schema),
    Named(&'a str),
}

impl<'a> Place<'a> {
    fn new(at: String, schema: &'a ReferenceOr<Schema>) -> Self {
        let schema = match schema {
            ReferenceOr::Item(schema) => Target::Inline(schema),
            ReferenceOr::Reference { reference } => Target::Named(last_segment(reference)),
        };
        Self { at, schema }
    }

    fn boxed(at: String, schema: &'a ReferenceOr<Box<Schema>>) -> Self {
        let schema = match schema {
            ReferenceOr::Item(schema) => Target::Inline(schema),
            ReferenceOr::Reference { reference } => Target::Named(last_segment(reference)),
        };
        Self { at, schema }
    }
}

/// Every schema that is written out anywhere, with where it stands.
pub(crate) fn all(document: &OpenAPI) -> Vec<(String, &Schema)> {
    let named = document
        .components
        .iter()
        .flat_map(|components| &components.schemas);
    let mut open: Vec<Place<'_>> = named
        .map(|(name, schema)| Place::new(format!("components.schemas.{name}"), schema))
        .collect();
    open.extend(of_requests(document));
    open.extend(of_responses(document));
    let mut found = Vec::new();
    while let Some(Place { at, schema }) = open.pop() {
        if let Target::Inline(schema) = schema {
            open.extend(within(&at, schema));
            found.push((at, schema));
        }
    }
    found
}

/// The schemas of parameters and request bodies.
pub(crate) fn of_requests(document: &OpenAPI) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (path, item) in document.paths.iter() {
        let Some(item) = item.as_item() else { continue };
        for (method, operation) in item.iter() {
            let parameters = item.parameters.iter().chain(&operation.parameters);
            for parameter in parameters.filter_map(|parameter| resolve_parameter(document, parameter)) {
                let data = parameter.parameter_data_ref();
                if let ParameterSchemaOrContent::Schema(schema) = &data.format {
                    places.push(Place::new(format!("{method} {path} {}", data.name), schema));
                }
            }
            let body = operation.request_body.as_ref().and_then(ReferenceOr::as_item);
            let content = body.iter().flat_map(|body| body.content.values());
            places.extend(
                content
                    .filter_map(|media| media.schema.as_ref())
                    .map(|schema| Place::new(format!("{method} {path} requestBody"), schema)),
            );
        }
    }
    places
}

/// The schemas of response bodies.
pub(crate) fn of_responses(document: &OpenAPI) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (path, method, operation) in document.operations() {
        for (status, response) in &operation.responses.responses {
            let Some(response) = resolve_response(document, response) else {
                continue;
            };
            let schemas = response
                .content
                .values()
                .filter_map(|media| media.schema.as_ref());
            places.extend(schemas.map(|schema| Place::new(format!("{method} {path} {status}"), schema)));
        }
    }
    places
}

/// The schemas directly within a schema.
pub(crate) fn within<'a>(at: &str, schema: &'a Schema) -> Vec<Place<'a>> {
    let alternatives = |schemas: &'a [ReferenceOr<Schema>]| -> Vec<Place<'a>> {
        schemas
            .iter()
            .map(|schema| Place::new(at.to_owned(), schema))
            .collect()
    };
    match &schema.schema_kind {
        SchemaKind::Type(Type::Object(object)) => {
            let properties = object.properties.iter();
            let mut places: Vec<_> = properties
                .map(|(name, schema)| Place::boxed(format!("{at}.{name}"), schema))
                .collect();
            if let Some(AdditionalProperties::Schema(schema)) = &object.additional_properties
                && !is_anything(schema)
            {
                places.push(Place::new(format!("{at}.additionalProperties"), schema));
            }
            places
        }
        SchemaKind::Type(Type::Array(array)) => array
            .items
            .iter()
            .map(|items| Place::boxed(format!("{at}.items"), items))
            .collect(),
        SchemaKind::OneOf { one_of } => alternatives(one_of),
        SchemaKind::AllOf { all_of } => alternatives(all_of),
        SchemaKind::AnyOf { any_of } => alternatives(any_of),
        SchemaKind::Not { not } => alternatives(std::slice::from_ref(not)),
        SchemaKind::Type(_) | SchemaKind::Any(_) => Vec::new(),
    }
}

/// Whether a schema is `{}`, which says nothing that could be lost.
fn is_anything(schema: &ReferenceOr<Schema>) -> bool {
    let kind = schema.as_item().map(|schema| &schema.schema_kind);
    matches!(kind, Some(SchemaKind::Any(any)) if *any == AnySchema::default())
}

/// What a `$ref` names: `#/components/schemas/Session` names `Session`.
pub(crate) fn last_segment(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// The response itself, if it is written out or among the components.
pub(crate) fn resolve_response<'a>(
    document: &'a OpenAPI,
    response: &'a ReferenceOr<Response>,
) -> Option<&'a Response> {
    match response {
        ReferenceOr::Item(response) => Some(response),
        ReferenceOr::Reference { reference } => document
            .components
            .as_ref()?
            .responses
            .get(last_segment(reference))?
            .as_item(),
    }
}

/// The parameter itself, if it is written out or among the components.
pub(crate) fn resolve_parameter<'a>(
    document: &'a OpenAPI,
    parameter: &'a ReferenceOr<Parameter>,
) -> Option<&'a Parameter> {
    match parameter {
        ReferenceOr::Item(parameter) => Some(parameter),
        ReferenceOr::Reference { reference } => document
            .components
            .as_ref()?
            .parameters
            .get(last_segment(reference))?
            .as_item(),
    }
}

/// The header itself, if it is written out or among the components.
pub(crate) fn resolve_header<'a>(
    document: &'a OpenAPI,
    header: &'a ReferenceOr<Header>,
) -> Option<&'a Header> {
    match header {
        ReferenceOr::Item(header) => Some(header),
        ReferenceOr::Reference { reference } => document
            .components
            .as_ref()?
            .headers
            .get(last_segment(reference))?
            .as_item(),
    }
}
