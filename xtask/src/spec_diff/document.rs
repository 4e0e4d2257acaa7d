//! An OpenAPI 3.0 document as a tree, and the way around in it.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
/// How many references may lead from one to the next. A longer chain is a circle.
const MAX_HOPS: usize = 32;

pub(super) struct Document {
    root: Value,
}

pub(super) struct Operation<'a> {
    /// In upper case.
    pub(super) method: String,
    /// As the document writes it.
    pub(super) path: &'a str,
    pub(super) item: &'a Value,
    pub(super) operation: &'a Value,
}

impl Operation<'_> {
    pub(super) fn id(&self) -> Option<&str> {
        self.operation.get("operationId")?.as_str()
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// What is sent: the names of path parameters are not.
    pub(super) fn key(&self) -> (String, String) {
        let path = self.path.split('/').map(|part| match part.split_once('{') {
            Some((before, rest)) => format!(
                "{before}{{}}{}",
                rest.split_once('}').map_or("", |(_, after)| after)
            ),
            None => part.to_owned(),
        });
        (path.collect::<Vec<_>>().join("/"), self.method.clone())
    }
}

impl Document {
    /// Reads YAML, of which JSON is a part.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let root = to_json(serde_yaml_ng::from_str(text).context("not YAML")?)?;
        let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
        ensure!(version.starts_with("3.0."), "not an OpenAPI 3.0 document");
        let document = Self { root };
        document.check_references(&document.root)?;
        Ok(document)
    }

    fn check_references(&self, value: &Value) -> anyhow::Result<()> {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    self.follow(value)
                        .with_context(|| format!("{reference} leads nowhere in this document"))?;
                }
                object.values().try_for_each(|value| self.check_references(value))
            }
            Value::Array(values) => values.iter().try_for_each(|value| self.check_references(value)),
            _ => Ok(()),
        }
    }

    fn follow<'a>(&'a self, value: &'a Value) -> Option<&'a Value> {
        let mut value = value;
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Some(value);
            };
            value = self.root.pointer(reference.strip_prefix('#')?)?;
        }
        None
    }

    /// What a value or the reference in its place stands for.
    pub(super) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        // Every reference was followed when the document was read.
        self.follow(value).unwrap_or(&Value::Null)
    }

    pub(super) fn get(&self, pointer: &str) -> Option<&Value> {
        self.root.pointer(pointer)
    }

    pub(super) fn version(&self) -> &str {
        self.get("/info/version")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = entries(self.root.get("paths"));
        paths
            .flat_map(|(path, item)| {
                let item = self.resolve(item);
                METHODS.iter().filter_map(move |method| {
                    let operation = item.get(method)?;
                    Some(Operation {
                        method: method.to_uppercase(),
                        path,
                        item,
                        operation,
                    })
                })
            })
            .collect()
    }

    /// A schema with everything that `allOf` puts together.
    pub(super) fn flattened(&self, schema: &Value) -> Map<String, Value> {
        self.flattened_within(schema, MAX_HOPS)
    }

    fn flattened_within(&self, schema: &Value, depth: usize) -> Map<String, Value> {
        let mut own = self.resolve(schema).as_object().cloned().unwrap_or_default();
        let (Some(Value::Array(parts)), Some(depth)) = (own.remove("allOf"), depth.checked_sub(1)) else {
            return own;
        };
        for part in parts {
            for (keyword, theirs) in self.flattened_within(&part, depth) {
                merge(&mut own, keyword, theirs);
            }
        }
        own
    }
}

/// Adds a keyword of a part of `allOf`. What stands beside `allOf` wins.
fn merge(own: &mut Map<String, Value>, keyword: String, theirs: Value) {
    match (own.get_mut(&keyword), theirs) {
        (None, theirs) => {
            own.insert(keyword, theirs);
        }
        (Some(Value::Object(ours)), Value::Object(theirs)) => {
            for (name, value) in theirs {
                ours.entry(name).or_insert(value);
            }
        }
        (Some(Value::Array(ours)), Value::Array(theirs)) if keyword == "required" => ours.extend(theirs),
        (Some(_), _) => {}
    }
}

/// The members of an object, if it is one, in the order of their names.
pub(super) fn entries(object: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let members = object.and_then(Value::as_object).into_iter().flatten();
    members
        .map(|(name, value)| (name.as_str(), value))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
}

/// YAML as JSON. Keys that are numbers, as statuses without quotes are, become texts.
fn to_json(value: serde_yaml_ng::Value) -> anyhow::Result<Value> {
    use serde_yaml_ng::Value as Yaml;
    Ok(match value {
        Yaml::Sequence(values) => Value::Array(values.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(members) => {
            let members = members.into_iter().map(|(key, value)| {
                let key = match key {
                    Yaml::String(key) => key,
                    Yaml::Number(key) => key.to_string(),
                    key => bail!("the key {key:?} is no text"),
                };
                Ok((key, to_json(value)?))
            });
            Value::Object(members.collect::<Result<_, _>>()?)
        }
        Yaml::Tagged(tagged) => to_json(tagged.value)?,
        scalar => serde_json::to_value(scalar).context("not a value of JSON")?,
    })
}
