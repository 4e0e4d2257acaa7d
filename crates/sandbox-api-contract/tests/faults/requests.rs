//! What can be wrong with a request.

use http::{HeaderName, Method};
use sandbox_api_contract::{Body, Contract, Place};
use serde_json::Value;

use crate::body::{refused, wrong};
use crate::fault::Fault;
use crate::sample::{Sample, content};

/// All there are. A kind of fault that is not made any more cannot be found any more.
pub(crate) const KINDS: [&str; 22] = [
    "a fraction",
    "a header twice",
    "a parameter twice",
    "a required member is missing",
    "a required parameter is missing",
    "an unknown member",
    "an unknown operation",
    "an unknown parameter",
    "another content type",
    "another type",
    "less than the minimum",
    "more than the maximum",
    "no JSON",
    "no body",
    "no content type",
    "no token",
    "not in the list",
    "not of the format",
    "not of the pattern",
    "null",
    "too long",
    "too short",
];

/// What a server may pass over.
pub(crate) const TOLERABLE: [&str; 2] = ["an unknown operation", "an unknown parameter"];

pub(crate) fn faults(contract: &Contract, sample: &Sample) -> Vec<Fault> {
    let mut faults = vec![
        Fault::of(sample, "an unknown operation", Place::Operation, |sample| {
            sample.request.method = Method::PATCH;
        }),
        Fault::of(sample, "an unknown operation", Place::Operation, |sample| {
            sample.request.path = Some("/nothing".to_owned());
        }),
        Fault::of(
            sample,
            "an unknown parameter",
            Place::Query("unknown".to_owned()),
            |sample| {
                let query = sample.request.query.take().unwrap_or_default();
                sample.request.query = Some(format!("{query}&unknown=1"));
            },
        ),
    ];
    if sample.operation["security"] != serde_json::json!([]) {
        let place = Place::Header("Authorization".to_owned());
        for value in [None, Some("Basic YTpi"), Some("Bearer ")] {
            faults.push(Fault::of(sample, "no token", place.clone(), |sample| {
                sample.request.headers.remove("authorization");
                if let Some(value) = value {
                    sample
                        .request
                        .headers
                        .insert("authorization", value.parse().unwrap());
                }
            }));
        }
    }
    for parameter in &sample.parameters {
        faults.extend(of_parameter(sample, parameter));
    }
    if sample.operation.get("requestBody").is_some() {
        faults.extend(of_body(contract, sample));
    }
    faults
}

fn of_parameter(sample: &Sample, parameter: &Value) -> Vec<Fault> {
    let name = parameter["name"].as_str().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // As text, null and numbers are text as well.
    let is_text = parameter["schema"]["type"] == "string";
    let values = refused(&parameter["schema"])
        .into_iter()
        .filter(|(kind, _)| *kind != "null" && !(is_text && *kind == "another type"))
        .map(|(kind, value)| (kind, text(&value)));
    let mut faults = Vec::new();
    match parameter["in"].as_str().unwrap() {
        "path" => {
            let place = Place::Path(name.to_owned());
            let known = text(&parameter["example"]);
            faults.extend(values.map(|(kind, value)| {
                Fault::of(sample, kind, place.clone(), |sample| {
                    let path = sample.request.path.take().unwrap();
                    sample.request.path = Some(path.replace(&known, &value));
                })
            }));
        }
        "query" => {
            let place = Place::Query(name.to_owned());
            let pair = format!("{name}={}", text(&parameter["example"]));
            let replaced = |kind, with: String| {
                Fault::of(sample, kind, place.clone(), |sample| {
                    let query = sample.request.query.take().unwrap();
                    assert!(query.contains(&pair));
                    sample.request.query = Some(query.replace(&pair, &with));
                })
            };
            faults.extend(
                values.map(|(kind, value)| replaced(kind, format!("{name}={}", value.replace('\0', "%00")))),
            );
            faults.push(replaced("a parameter twice", format!("{pair}&{pair}")));
            if parameter["required"] == true {
                faults.push(replaced("a required parameter is missing", String::new()));
            }
        }
        _ => {
            let place = Place::Header(name.to_owned());
            let header: HeaderName = name.parse().unwrap();
            let changed =
                |kind, change: &dyn Fn(&mut Sample)| Fault::of(sample, kind, place.clone(), |s| change(s));
            faults.push(changed("a header twice", &|sample| {
                sample.request.headers.append(&header, "another".parse().unwrap());
            }));
            faults.push(changed("too long", &|sample| {
                sample
                    .request
                    .headers
                    .insert(&header, "x".repeat(256).parse().unwrap());
            }));
            faults.push(changed("not of the pattern", &|sample| {
                sample.request.headers.insert(&header, "a b".parse().unwrap());
            }));
        }
    }
    faults
}

fn of_body(contract: &Contract, sample: &Sample) -> Vec<Fault> {
    let described = &sample.operation["requestBody"];
    let (media_type, content) = content(described);
    let mut faults = Vec::new();
    let is_json = media_type == "application/json";
    if is_json || described["required"] == true {
        faults.push(Fault::of(
            sample,
            "another content type",
            Place::ContentType,
            |sample| {
                sample
                    .request
                    .headers
                    .insert("content-type", "text/plain".parse().unwrap());
            },
        ));
        faults.push(Fault::of(
            sample,
            "no content type",
            Place::ContentType,
            |sample| {
                sample.request.headers.remove("content-type");
            },
        ));
    }
    let Body::Whole(body) = &sample.request.body else {
        return faults;
    };
    if !is_json {
        return faults;
    }
    let body: Value = serde_json::from_slice(body).unwrap();
    let with = |kind, pointer: &str, body: Vec<u8>| {
        Fault::of(sample, kind, Place::Body(pointer.to_owned()), |sample| {
            sample.request.body = Body::Whole(body);
        })
    };
    faults.push(with("no JSON", "", b"{".to_vec()));
    if described["required"] == true {
        faults.push(with("no body", "", Vec::new()));
    }
    for wrong in wrong(contract.document(), &content["schema"], &body) {
        faults.push(with(wrong.kind, &wrong.pointer, wrong.value.to_string().into()));
    }
    faults
}
