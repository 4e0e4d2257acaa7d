//! Seeded faults: what the judge must find, made from the document itself for every operation and every response.
//!
//! Each exchange is correct first, and the judge must say so. Then one thing in it is made wrong, in every way the
//! document gives an opportunity for, and the judge must find it where it is.
#![cfg(test)]

mod body;
mod fault;
mod requests;
mod responses;
mod sample;

use std::collections::BTreeMap;

use sandbox_api_contract::{Contract, Violation};

use crate::fault::Fault;
use crate::sample::Sample;

fn contract() -> &'static Contract {
    Contract::sandbox_api().unwrap()
}

/// One exchange for every response of the document.
fn samples() -> Vec<Sample> {
    let operations = contract().operations().iter();
    operations
        .flat_map(|operation| {
            let statuses = operation.responses().keys();
            statuses.flat_map(|status| Sample::all(contract(), operation, status))
        })
        .collect()
}

/// What each kind of fault must be found by, with how many of them there were.
#[track_caller]
fn assert_found(
    faults: impl IntoIterator<Item = Fault>,
    judge: impl Fn(&Sample) -> Vec<Violation>,
) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for fault in faults {
        let found = judge(&fault.sample);
        assert!(
            found.iter().any(|violation| fault.is_found_by(violation)),
            "{} was not found at {}, but {found:?} in {:?}",
            fault.kind,
            fault.place,
            fault.sample
        );
        *kinds.entry(fault.kind).or_default() += 1;
    }
    kinds
}

#[test]
fn what_the_document_describes_is_right() {
    let samples = samples();
    let documented: usize = contract()
        .operations()
        .iter()
        .map(|operation| operation.responses().len())
        .sum();
    assert!(samples.len() >= documented);
    for sample in samples {
        assert_eq!(contract().check_request(&sample.request), [], "{sample:?}");
        assert_eq!(
            contract().check_response(&sample.request, &sample.response),
            [],
            "{sample:?}"
        );
    }
}

#[test]
fn every_fault_of_a_request_is_found() {
    let faults = samples()
        .into_iter()
        .flat_map(|sample| requests::faults(contract(), &sample));
    let kinds = assert_found(faults, |sample| contract().check_request(&sample.request));
    assert_eq!(
        kinds.keys().copied().collect::<Vec<_>>(),
        requests::KINDS,
        "{kinds:?}"
    );
}

#[test]
fn a_server_that_does_what_it_must_not_is_found() {
    let done = samples()
        .into_iter()
        .filter(|sample| sample.response.status.is_success());
    let faults = done.flat_map(|sample| requests::faults(contract(), &sample));
    let forbidden = faults.filter(|fault| !requests::TOLERABLE.contains(&fault.kind));
    let answered = forbidden.map(Fault::answered);
    let kinds = assert_found(answered, |sample| {
        contract().check_response(&sample.request, &sample.response)
    });
    assert!(
        kinds.len() + requests::TOLERABLE.len() >= requests::KINDS.len(),
        "{kinds:?}"
    );
}

#[test]
fn every_fault_of_a_response_is_found() {
    let faults = samples()
        .into_iter()
        .flat_map(|sample| responses::faults(contract(), &sample));
    let kinds = assert_found(faults, |sample| {
        contract().check_response(&sample.request, &sample.response)
    });
    assert_eq!(
        kinds.keys().copied().collect::<Vec<_>>(),
        responses::KINDS,
        "{kinds:?}"
    );
}

#[test]
fn an_error_outside_the_operations_is_an_error_too() {
    for sample in samples()
        .into_iter()
        .filter(|sample| sample.response.status.as_u16() == 404)
    {
        for fault in responses::faults(contract(), &sample) {
            let mut sample = fault.sample.clone();
            sample.request.path = Some("/nothing".to_owned());
            let found = contract().check_response(&sample.request, &sample.response);
            let judged = ["no content type", "another content type", "no JSON"].contains(&fault.kind)
                || fault.kind == "a required member is missing";
            assert!(!judged || !found.is_empty(), "{}: {sample:?}", fault.kind);
        }
    }
}
