//! What can be wrong with a response.

use http::{HeaderName, StatusCode};
use sandbox_api_contract::{Body, Contract, Place};
use serde_json::Value;

use crate::body::wrong;
use crate::fault::Fault;
use crate::sample::{Sample, content, resolved};

/// All there are. A kind of fault that is not made any more cannot be found any more.
pub(crate) const KINDS: [&str; 16] = [
    "a fraction",
    "a header twice",
    "a header without a number",
    "a required header is missing",
    "a required member is missing",
    "another content type",
    "another status",
    "another type",
    "less than the minimum",
    "more than the maximum",
    "no JSON",
    "no content type",
    "not in the list",
    "not of the format",
    "null",
    "too long",
];

pub(crate) fn faults(contract: &Contract, sample: &Sample) -> Vec<Fault> {
    let mut faults = of_head(sample);
    for (name, header) in sample.documented["headers"].as_object().unwrap() {
        faults.extend(of_header(sample, name, resolved(contract.document(), header)));
    }
    let (media_type, content) = content(&sample.documented);
    if media_type == "application/json" {
        faults.extend(of_body(contract, sample, &content["schema"]));
    }
    faults
}

fn of_head(sample: &Sample) -> Vec<Fault> {
    let responses = sample.operation["responses"].as_object().unwrap();
    let known = |status: &u16| {
        let range = format!("{}XX", status / 100);
        responses.contains_key(&status.to_string()) || responses.contains_key(&range)
    };
    let others = [200, 201, 204, 302, 403, 418, 502];
    let others = others.into_iter().filter(|status| !known(status));
    let mut faults: Vec<Fault> = others
        .map(|status| {
            Fault::of(sample, "another status", Place::Status, |sample| {
                sample.response.status = StatusCode::from_u16(status).unwrap();
            })
        })
        .collect();
    faults.push(Fault::of(
        sample,
        "another content type",
        Place::ContentType,
        |sample| {
            sample
                .response
                .headers
                .insert("content-type", "text/html".parse().unwrap());
        },
    ));
    faults.push(Fault::of(
        sample,
        "no content type",
        Place::ContentType,
        |sample| {
            sample.response.headers.remove("content-type");
        },
    ));
    faults
}

fn of_header(sample: &Sample, name: &str, header: &Value) -> Vec<Fault> {
    let place = Place::Header(name.to_owned());
    let key: HeaderName = name.parse().unwrap();
    let changed =
        |kind, change: &dyn Fn(&mut Sample)| Fault::of(sample, kind, place.clone(), |sample| change(sample));
    let mut faults = vec![changed("a header twice", &|sample| {
        sample.response.headers.append(&key, "7".parse().unwrap());
    })];
    if header["required"] == true {
        faults.push(changed("a required header is missing", &|sample| {
            sample.response.headers.remove(&key);
        }));
    }
    if header["schema"]["type"] == "integer" {
        for value in ["", "soon", "-1", "1.5", "1 ", "0x10", "7;w=60"] {
            faults.push(changed("a header without a number", &|sample| {
                sample.response.headers.insert(&key, value.parse().unwrap());
            }));
        }
    }
    if let Some(most) = header["schema"]["maxLength"].as_u64() {
        faults.push(changed("too long", &|sample| {
            let value = "x".repeat(most as usize + 1);
            sample.response.headers.insert(&key, value.parse().unwrap());
        }));
    }
    faults
}

fn of_body(contract: &Contract, sample: &Sample, schema: &Value) -> Vec<Fault> {
    let Body::Whole(bytes) = &sample.response.body else {
        return Vec::new();
    };
    let body: Value = serde_json::from_slice(bytes).unwrap();
    let with = |kind, pointer: &str, body: Vec<u8>| {
        Fault::of(sample, kind, Place::Body(pointer.to_owned()), |sample| {
            sample.response.body = Body::Whole(body);
        })
    };
    let mut faults = vec![
        with("no JSON", "", Vec::new()),
        with("no JSON", "", bytes[..bytes.len() - 1].to_vec()),
        with("no JSON", "", [bytes.as_slice(), b"}"].concat()),
    ];
    // What an example leaves out cannot be made wrong; the sample with all members leaves out nothing.
    if body == crate::sample::whole(contract.document(), schema) {
        let wrong = wrong(contract.document(), schema, &body);
        faults.extend(
            wrong
                .into_iter()
                .map(|wrong| with(wrong.kind, &wrong.pointer, wrong.value.to_string().into())),
        );
    }
    faults
}
