//! Exchanges that are right, made from what the document shows.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sandbox_api_contract::{Body, Contract, Operation, Request, Response};
use serde_json::{Map, Value, json};

/// A request and the answer to it, and what the document says of both.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) request: Request,
    pub(crate) response: Response,
    /// The operation in the document.
    pub(crate) operation: Value,
    /// The parameters of its path and its own.
    pub(crate) parameters: Vec<Value>,
    /// The response in the document.
    pub(crate) documented: Value,
}

impl Sample {
    /// One with every body that the document shows as an example of that response, and one with all members.
    pub(crate) fn all(contract: &Contract, operation: &Operation, status: &str) -> Vec<Self> {
        let document = contract.document();
        let item = &document["paths"][operation.template()];
        let described = item[operation.method().as_str().to_ascii_lowercase()].clone();
        let of = |owner: &Value| owner["parameters"].as_array().cloned().unwrap_or_default();
        let parameters: Vec<Value> = [of(item), of(&described)]
            .concat()
            .iter()
            .map(|parameter| resolved(document, parameter).clone())
            .collect();
        let documented = resolved(document, &described["responses"][status]).clone();
        let request = request(document, operation, &described, &parameters);
        let (media_type, content) = content(&documented);
        let bodies: Vec<Vec<u8>> = if media_type == "application/json" {
            bodies(document, content)
                .iter()
                .map(|body| body.to_string().into())
                .collect()
        } else {
            vec![b"the bytes of a file".to_vec()]
        };
        let mut headers = headers(document, &documented);
        headers.insert("content-type", media_type.parse().unwrap());
        let response = |body| Response {
            status: StatusCode::from_u16(status.replace("XX", "18").parse().unwrap()).unwrap(),
            headers: headers.clone(),
            body: Body::Whole(body),
        };
        bodies
            .into_iter()
            .map(|body| Self {
                request: request.clone(),
                response: response(body),
                operation: described.clone(),
                parameters: parameters.clone(),
                documented: documented.clone(),
            })
            .collect()
    }
}

/// The only media type of something, or that of JSON.
pub(crate) fn content(owner: &Value) -> (&str, &Value) {
    let content = owner["content"].as_object().unwrap();
    let found = content
        .get_key_value("application/json")
        .or_else(|| content.iter().next());
    let (media_type, content) = found.unwrap();
    (media_type, content)
}

fn request(document: &Value, operation: &Operation, described: &Value, parameters: &[Value]) -> Request {
    let mut path = operation.template().to_owned();
    let mut query = Vec::new();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer a-token"));
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap();
        let value = text(&parameter["example"]);
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            "query" => query.push(format!("{name}={value}")),
            _ => drop(headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap())),
        }
    }
    let mut body = Vec::new();
    if described.get("requestBody").is_some() {
        let (media_type, content) = content(&described["requestBody"]);
        headers.insert("content-type", media_type.parse().unwrap());
        if media_type == "application/json" {
            body = whole(document, &content["schema"]).to_string().into();
        }
    }
    Request {
        method: operation.method().clone(),
        path: Some(path),
        query: (!query.is_empty()).then(|| query.join("&")),
        headers,
        body: Body::Whole(body),
    }
}

fn headers(document: &Value, documented: &Value) -> HeaderMap {
    let headers = documented["headers"].as_object().unwrap();
    headers
        .iter()
        .map(|(name, header)| {
            let value = text(&resolved(document, header)["example"]);
            (name.parse().unwrap(), value.parse().unwrap())
        })
        .collect()
}

fn bodies(document: &Value, content: &Value) -> Vec<Value> {
    let examples = content["examples"].as_object().into_iter().flatten();
    let shown = examples.map(|(_, example)| example["value"].clone());
    let only = content.get("example").cloned();
    shown
        .chain(only)
        .chain([whole(document, &content["schema"])])
        .collect()
}

/// A value with all members that a schema has.
pub(crate) fn whole(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(properties) = schema["properties"].as_object() {
        let members = properties
            .iter()
            .map(|(name, schema)| (name.clone(), whole(document, schema)));
        return Value::Object(members.collect::<Map<_, _>>());
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    match (schema["type"].as_str(), schema["allOf"].get(0)) {
        (Some("array"), _) => json!([whole(document, &schema["items"])]),
        (_, Some(schema)) => whole(document, schema),
        _ => schema["default"].clone(),
    }
}

/// What a reference refers to, and what a single `allOf` wraps.
pub(crate) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    if let Some(reference) = value["$ref"].as_str() {
        return resolved(document, document.pointer(&reference[1..]).unwrap());
    }
    match value["allOf"].get(0) {
        Some(only) => resolved(document, only),
        None => value,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
