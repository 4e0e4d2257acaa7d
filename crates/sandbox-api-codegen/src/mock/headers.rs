//! Methods that set the documented headers of answers, typed as the document says.

use std::collections::BTreeMap;

use heck::ToSnakeCase;
use openapiv3::{Header, OpenAPI, ParameterSchemaOrContent, ReferenceOr, SchemaKind, Type};
use syn::{ItemImpl, parse_quote};

use super::{Mocked, docs, ident};
use crate::{Error, visit};

/// What every HTTP server sets by itself.
const SET_BY_THE_SERVER: &str = "Content-Length";

pub(super) fn add(document: &OpenAPI, mocked: &Mocked<'_>, then: &mut ItemImpl) -> Result<(), Error> {
    let mut headers = BTreeMap::new();
    for response in mocked.operation.responses.responses.values() {
        let response = visit::resolve_response(document, response);
        let found = response.into_iter().flat_map(|response| &response.headers);
        headers.extend(
            found.filter_map(|(name, header)| Some((name, visit::resolve_header(document, header)?))),
        );
    }
    headers.retain(|name, _| !name.eq_ignore_ascii_case(SET_BY_THE_SERVER));
    for (name, header) in headers {
        let function = ident(&name.to_snake_case())?;
        let about = docs::lines(&format!(
            "Sets the header `{name}`: {}",
            docs::uncapitalised(header.description.as_deref().unwrap_or_default())
        ));
        then.items.push(if is_integer(header) {
            parse_quote! {
                #(#about)*
                pub fn #function(self, value: u64) -> Self {
                    Self(self.0.header(#name, value.to_string()))
                }
            }
        } else {
            parse_quote! {
                #(#about)*
                pub fn #function(self, value: &str) -> Self {
                    Self(self.0.header(#name, value))
                }
            }
        });
    }
    Ok(())
}

fn is_integer(header: &Header) -> bool {
    match &header.format {
        ParameterSchemaOrContent::Schema(ReferenceOr::Item(schema)) => {
            matches!(schema.schema_kind, SchemaKind::Type(Type::Integer(_)))
        }
        ParameterSchemaOrContent::Schema(ReferenceOr::Reference { .. })
        | ParameterSchemaOrContent::Content(_) => false,
    }
}
