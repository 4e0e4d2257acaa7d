//! The document, compiled.

mod json_schema;
mod reader;
mod route;
mod schema;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::Method;
use serde_json::Value;

pub use route::Located;
use route::Template;
pub(crate) use schema::Schema;

/// The media type of the bodies that schemas are for.
pub(crate) const JSON: &str = "application/json";

/// The document of an API, as a judge.
#[derive(Debug)]
pub struct Contract {
    operations: Vec<Operation>,
    /// The body of every error, as the document's introduction says.
    error: Schema,
    document: Value,
}

/// One operation of the document.
#[derive(Debug)]
pub struct Operation {
    id: String,
    method: Method,
    template: Template,
    /// Whether it needs a bearer token.
    pub(crate) secured: bool,
    pub(crate) parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    responses: BTreeMap<String, Documented>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) place: ParameterPlace,
    pub(crate) required: bool,
    pub(crate) schema: Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterPlace {
    Path,
    Query,
    Header,
}

/// What the document says of a request's body.
#[derive(Debug)]
pub struct RequestBody {
    pub(crate) required: bool,
    content: Content,
}

/// What the document says of the responses with one status, or with one of a range.
#[derive(Debug)]
pub struct Documented {
    pub(crate) headers: Vec<Parameter>,
    content: Content,
}

/// Schemas by media type; those of other types than JSON say nothing that could be checked.
type Content = BTreeMap<String, Option<Schema>>;

/// Why a text is no document that could judge.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not YAML.
    #[error("the document cannot be read")]
    Syntax(#[from] serde_yaml_ng::Error),
    /// Something that every document has is not there, or is not what it should be.
    #[error("{0}")]
    Form(String),
}

static SANDBOX_API: LazyLock<Result<Contract, DocumentError>> =
    LazyLock::new(|| Contract::parse(include_str!("../../sandbox-api-spec.yaml")));

impl Contract {
    /// The contract of this workspace.
    ///
    /// # Errors
    ///
    /// When the document of the workspace is broken.
    pub fn sandbox_api() -> Result<&'static Self, &'static DocumentError> {
        SANDBOX_API.as_ref()
    }

    /// Compiles an OpenAPI 3.0 document.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        reader::read(serde_yaml_ng::from_str(text)?)
    }

    /// In the order of the document.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation of that name.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    /// The document as it was read.
    pub fn document(&self) -> &Value {
        &self.document
    }

    pub(crate) fn error(&self) -> &Schema {
        &self.error
    }
}

impl Operation {
    /// Its `operationId`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it is asked for.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, as the document writes it.
    pub fn template(&self) -> &str {
        self.template.text()
    }

    /// What it takes as a body, if it takes one.
    pub fn body(&self) -> Option<&RequestBody> {
        self.body.as_ref()
    }

    /// Its responses by status, such as `200`, or by range, such as `4XX`.
    pub fn responses(&self) -> &BTreeMap<String, Documented> {
        &self.responses
    }

    /// What the document says of a status, and under which name.
    pub fn response(&self, status: u16) -> Option<(&str, &Documented)> {
        let names = [status.to_string(), format!("{}XX", status / 100)];
        let found = names.iter().find_map(|name| self.responses.get_key_value(name));
        found.map(|(name, documented)| (name.as_str(), documented))
    }
}

impl RequestBody {
    /// The schema for a media type; `None` for a type that is not read.
    pub(crate) fn of_type(&self, media_type: &str) -> Option<Option<&Schema>> {
        self.content.get(media_type).map(Option::as_ref)
    }
}

impl Documented {
    /// The schema for a media type; `None` for a type that is not listed.
    pub(crate) fn of_type(&self, media_type: &str) -> Option<Option<&Schema>> {
        self.content.get(media_type).map(Option::as_ref)
    }

    pub(crate) fn has_body(&self) -> bool {
        !self.content.is_empty()
    }
}
