//! Reading the document.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};

use super::{
    Content, Contract, DocumentError, Documented, JSON, Operation, Parameter, ParameterPlace, RequestBody,
    Schema, Template, json_schema,
};

const METHODS: [(&str, Method); 7] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
];

pub(super) fn read(document: Value) -> Result<Contract, DocumentError> {
    let reader = Reader::new(&document);
    let mut operations = Vec::new();
    for (path, item) in members(&document, "paths")? {
        for (name, method) in METHODS {
            if let Some(operation) = item.get(name) {
                operations.push(reader.operation(path, item, method, operation)?);
            }
        }
    }
    let error = reader.schema(&serde_json::json!({ "$ref": "#/components/schemas/Error" }))?;
    Ok(Contract {
        operations,
        error,
        document,
    })
}

struct Reader<'a> {
    document: &'a Value,
    /// What schemas refer to, converted.
    components: Value,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Value) -> Self {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        let schemas: Map<String, Value> = schemas
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), json_schema::converted(schema)))
            .collect();
        Self {
            document,
            components: serde_json::json!({ "schemas": schemas }),
        }
    }

    fn operation(
        &self,
        path: &str,
        item: &Value,
        method: Method,
        operation: &Value,
    ) -> Result<Operation, DocumentError> {
        let parameters = [item, operation]
            .into_iter()
            .filter_map(|owner| owner.get("parameters")?.as_array())
            .flatten();
        let security = operation
            .get("security")
            .or_else(|| self.document.get("security"));
        let responses = members(operation, "responses")?.iter();
        Ok(Operation {
            id: text(operation, "operationId")?.to_owned(),
            method,
            template: Template::parse(path),
            secured: security
                .and_then(Value::as_array)
                .is_some_and(|schemes| !schemes.is_empty()),
            parameters: parameters
                .map(|parameter| self.parameter(parameter))
                .collect::<Result<_, _>>()?,
            body: operation
                .get("requestBody")
                .map(|body| self.body(body))
                .transpose()?,
            responses: responses
                .map(|(status, response)| Ok((status.clone(), self.response(response)?)))
                .collect::<Result<BTreeMap<_, _>, DocumentError>>()?,
        })
    }

    fn parameter(&self, parameter: &Value) -> Result<Parameter, DocumentError> {
        let parameter = self.resolved(parameter)?;
        let place = match text(parameter, "in")? {
            "path" => ParameterPlace::Path,
            "query" => ParameterPlace::Query,
            "header" => ParameterPlace::Header,
            other => {
                return Err(DocumentError::Form(format!(
                    "a parameter in {other} is not judged"
                )));
            }
        };
        self.named(text(parameter, "name")?, place, parameter)
    }

    fn named(&self, name: &str, place: ParameterPlace, value: &Value) -> Result<Parameter, DocumentError> {
        Ok(Parameter {
            name: name.to_owned(),
            place,
            required: is_required(value),
            schema: self.schema(member(value, "schema")?)?,
        })
    }

    fn body(&self, body: &Value) -> Result<RequestBody, DocumentError> {
        let body = self.resolved(body)?;
        Ok(RequestBody {
            required: is_required(body),
            content: self.content(body)?,
        })
    }

    fn response(&self, response: &Value) -> Result<Documented, DocumentError> {
        let response = self.resolved(response)?;
        let headers = response.get("headers").and_then(Value::as_object);
        let headers = headers
            .into_iter()
            .flatten()
            .map(|(name, header)| self.named(name, ParameterPlace::Header, self.resolved(header)?));
        Ok(Documented {
            headers: headers.collect::<Result<_, _>>()?,
            content: self.content(response)?,
        })
    }

    fn content(&self, owner: &Value) -> Result<Content, DocumentError> {
        let content = owner.get("content").and_then(Value::as_object);
        let schema = |media_type: &str, value: &Value| match value.get("schema") {
            Some(schema) if media_type == JSON => self.schema(schema).map(Some),
            _ => Ok(None),
        };
        content
            .into_iter()
            .flatten()
            .map(|(media_type, value)| Ok((media_type.clone(), schema(media_type, value)?)))
            .collect()
    }

    fn schema(&self, schema: &Value) -> Result<Schema, DocumentError> {
        Schema::compile(schema, &self.components)
    }

    /// What a reference refers to.
    fn resolved<'v>(&self, value: &'v Value) -> Result<&'v Value, DocumentError>
    where
        'a: 'v,
    {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Ok(value);
        };
        let found = reference
            .strip_prefix('#')
            .and_then(|pointer| self.document.pointer(pointer));
        found.ok_or_else(|| DocumentError::Form(format!("{reference} is not in the document")))
    }
}

fn is_required(value: &Value) -> bool {
    value.get("required") == Some(&Value::Bool(true))
}

fn member<'v>(value: &'v Value, name: &str) -> Result<&'v Value, DocumentError> {
    let found = value.get(name);
    found.ok_or_else(|| DocumentError::Form(format!("the document lacks a `{name}`")))
}

fn members<'v>(value: &'v Value, name: &str) -> Result<&'v Map<String, Value>, DocumentError> {
    let found = member(value, name)?.as_object();
    found.ok_or_else(|| DocumentError::Form(format!("`{name}` is no object")))
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, DocumentError> {
    let found = member(value, name)?.as_str();
    found.ok_or_else(|| DocumentError::Form(format!("`{name}` is no text")))
}
