//! Documentation of the mocks, in the document's words.

use heck::ToSnakeCase;
use openapiv3::{OpenAPI, StatusCode};
use syn::{Attribute, Item, ItemImpl, ItemMod, ItemTrait, TraitItem, parse_quote};

use super::{Mocked, functions, status, written_out};
use crate::visit;

pub(super) fn lines(text: &str) -> Vec<Attribute> {
    vec![parse_quote!(#[doc = #text])]
}

pub(super) fn uncapitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Documents the methods that say what a request must be like.
pub(super) fn request(document: &OpenAPI, mocked: &Mocked<'_>, when: &mut ItemImpl) {
    for function in functions(when) {
        let name = function.sig.ident.to_string();
        let text = match name.as_str() {
            "new" => "Starts from the operation's method and path.".to_owned(),
            "into_inner" => "What `httpmock` itself offers, for requests outside the contract.".to_owned(),
            "body" => {
                let body = written_out(mocked.operation.request_body.as_ref());
                let about = body
                    .and_then(|body| body.description.as_deref())
                    .unwrap_or_default();
                format!("The body is exactly this one. {about}")
            }
            _ => parameter(document, mocked, &name).unwrap_or_default(),
        };
        function.attrs.splice(0..0, lines(&text));
    }
}

fn parameter(document: &OpenAPI, mocked: &Mocked<'_>, function: &str) -> Option<String> {
    let parameters = mocked.item.parameters.iter().chain(&mocked.operation.parameters);
    let parameter = parameters
        .filter_map(|parameter| visit::resolve_parameter(document, parameter))
        .map(|parameter| parameter.parameter_data_ref())
        .find(|data| data.name.to_snake_case() == function)?;
    let about = parameter.description.as_deref().unwrap_or_default();
    let name = &parameter.name;
    Some(if parameter.required {
        format!("`{name}` has this value. {about}")
    } else {
        format!("`{name}` has this value, or is absent for `None`. {about}")
    })
}

/// Documents the methods that say how a request is answered.
pub(super) fn answer(document: &OpenAPI, mocked: &Mocked<'_>, then: &mut ItemImpl) {
    for function in functions(then) {
        let text = match function.sig.ident.to_string().as_str() {
            "new" => "Starts from an empty answer.".to_owned(),
            "into_inner" => "What `httpmock` itself offers, for answers outside the contract.".to_owned(),
            "client_error" => class(document, mocked, 4),
            "server_error" => class(document, mocked, 5),
            _ => status(function)
                .map(|status| {
                    format!(
                        "Answers {status}. {}",
                        description(document, mocked, &StatusCode::Code(status))
                    )
                })
                .unwrap_or_default(),
        };
        function.attrs.splice(0..0, lines(&text));
    }
}

fn class(document: &OpenAPI, mocked: &Mocked<'_>, class: u16) -> String {
    let about = description(document, mocked, &StatusCode::Range(class));
    format!("Answers a status of {class}00 to {class}99. {about}\n\n# Panics\nWith any other status.")
}

fn description<'a>(document: &'a OpenAPI, mocked: &'a Mocked<'_>, status: &StatusCode) -> &'a str {
    let response = mocked.operation.responses.responses.get(status);
    response
        .and_then(|response| visit::resolve_response(document, response))
        .map_or("", |response| &response.description)
}

/// Documents the two types of an operation.
pub(super) fn types(mocked: &Mocked<'_>, module: &mut ItemMod) {
    let operation = format!("`{} {}`", mocked.method.to_ascii_uppercase(), mocked.path);
    for item in module.content.iter_mut().flat_map(|(_, items)| items) {
        let Item::Struct(item) = item else { continue };
        let text = if item.ident == mocked.when {
            format!("What a request for {operation} must be like.")
        } else if item.ident == mocked.then {
            format!("How {operation} is answered.")
        } else {
            continue;
        };
        item.attrs.splice(0..0, lines(&text));
    }
}

/// Documents the method that makes the mock.
pub(super) fn function(mocked: &Mocked<'_>, extension: &mut ItemTrait) {
    for item in &mut extension.items {
        if let TraitItem::Fn(item) = item
            && item.sig.ident == mocked.function
        {
            let summary = mocked.operation.summary.as_deref().unwrap_or_default();
            let method = mocked.method.to_ascii_uppercase();
            item.attrs.splice(
                0..0,
                lines(&format!(
                    "Mocks `{method} {}`: {}.",
                    mocked.path,
                    uncapitalised(summary)
                )),
            );
        }
    }
}
