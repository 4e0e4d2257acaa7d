//! What the document says of answers.

use serde_json::{Map, Value};

const DOCUMENT: &str = include_str!("../../sandbox-api-spec.yaml");

/// An answer that the document gives an example of.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) operation: String,
    pub(crate) status: u16,
    /// Its name, where the document has several for the status.
    pub(crate) example: Option<String>,
    /// Null for what is not JSON.
    pub(crate) body: Value,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status < 300
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// As a test's name has it.
    pub(crate) fn name(&self) -> String {
        let example = self.example.iter().map(|example| format!("::{example}"));
        format!(
            "{}::{}{}",
            self.operation,
            self.status,
            example.collect::<String>()
        )
    }
}

/// Every operation's every answer.
pub(crate) fn answers() -> Vec<Answer> {
    let document = Document(serde_yaml_ng::from_str(DOCUMENT).unwrap());
    let mut answers = Vec::new();
    for path in members(&document.0["paths"]).map(|(_, path)| path) {
        let operations = members(path).filter(|(_, operation)| operation.get("operationId").is_some());
        for operation in operations.map(|(_, operation)| operation) {
            for (status, response) in members(&operation["responses"]) {
                let operation = operation["operationId"].as_str().unwrap();
                answers.extend(document.answers(operation, status, document.resolved(response)));
            }
        }
    }
    assert!(
        answers.len() > 80,
        "only {} answers were found in the document",
        answers.len()
    );
    answers
}

struct Document(Value);

impl Document {
    fn answers(&self, operation: &str, status: &str, response: &Value) -> Vec<Answer> {
        let headers = response["headers"].as_object().into_iter().flatten();
        let answer = Answer {
            operation: operation.to_owned(),
            // `4XX` stands for each of them.
            status: status.replace('X', "0").parse().unwrap(),
            example: None,
            body: Value::Null,
            headers: headers
                .map(|(name, header)| (name.to_ascii_lowercase(), text(&self.resolved(header)["example"])))
                .collect(),
        };
        let json = &response["content"]["application/json"];
        if json.is_null() {
            return vec![answer];
        }
        if let Some(examples) = json.get("examples") {
            let examples = members(examples).map(|(name, example)| Answer {
                example: Some(name.clone()),
                body: example["value"].clone(),
                ..answer.clone()
            });
            return examples.collect();
        }
        let body = json.get("example").cloned();
        let body = body.unwrap_or_else(|| self.example(&json["schema"]));
        vec![Answer { body, ..answer }]
    }

    /// A value of the schema, from its example or those of its parts.
    fn example(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema.get("allOf").map_or(schema, |all| &all[0]));
        if let Some(example) = schema.get("example").or_else(|| schema.get("default")) {
            return example.clone();
        }
        match schema["type"].as_str() {
            Some("array") => Value::Array(vec![self.example(&schema["items"])]),
            Some("object") => members(&schema["properties"])
                .map(|(name, schema)| (name.clone(), self.example(schema)))
                .collect::<Map<_, _>>()
                .into(),
            other => panic!("the document has no example of a {other:?}: {schema}"),
        }
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().expect("an object").iter()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
