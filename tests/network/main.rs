//! What a broken network does to clients and servers.
//!
//! The client is the SDK and the server the product's, with a [`FaultProxy`](contract_tests::FaultProxy) between them.
//! What each fault ends in is asserted in both ways there are to a session: requests (REST), and SSH through a tunnel.
//!
//! | fault | of a request | of a tunnel |
//! | --- | --- | --- |
//! | reset in mid-response | `rest::reset_*` | `tunnel::reset_*`, of bulk data `campaign` |
//! | close before content-length | `rest::close_*` | `tunnel::close_*`, `refusal_close_before_content_length` |
//! | slow-loris headers towards the server | `slow_heads::of_requests_are_given_up` | `slow_heads::of_tunnels_are_given_up` |
//! | a stalled response | `rest::stalled_response`, `no_response` | `tunnel::stalled_*`, `no_response` |
//! | truncated JSON | `rest::truncated_json` | `tunnel::refusal_of_truncated_json` |
//! | 502 with HTML | `rest::bad_gateway_with_html` | `tunnel::bad_gateway_with_html` |
//! | 429 with and without `Retry-After` | `rest::too_many_requests*` | `tunnel::too_many_requests*` |
//! | 200 with another schema | `rest::another_schema` | `tunnel::refusal_of_another_schema`, `success_with_a_body` |
//! | wrong content type | `rest::wrong_content_type` | `tunnel::not_found` (of a tunnel it means nothing) |
//! | CONNECT answered 407, 404, 200 with a body | | `tunnel::proxy_authentication_required`, `not_found`, `refusal_of_another_schema`, `success_with_*body`; by a proxy `names::lead_nowhere_where_the_proxy_refuses` |
//! | a banner glued to the answer, and byte by byte | `rest::byte_by_byte` | `tunnel::banner_glued_to_the_answer`, `byte_by_byte`; at each byte `answers.rs` of `sandbox-tunnel` |
//! | endless headers | `rest::endless_headers`, `endless_body` | `tunnel::endless_headers`, `success_with_an_endless_body` |
//! | server killed | `endings::of_a_killed_server_*` | the same, in mid-SFTP |
//! | expired and wrong-host certificates | `tls::*_by_requests` | `tls::*_by_tunnels` |
//! | half-open TCP | `half_open::the_server_frees_*`, `rest::half_open_connection` | `half_open::the_server_frees_tunnels`, `a_client_frees_*`, `tunnel::half_open_connection` |
//! | DNS failure | `names::that_lead_nowhere_are_told` | the same |
//! | `HTTP_PROXY`, `NO_PROXY` | `names::*` | the same |
//! | session expired or deleted under a running tunnel | `endings::of_an_expired_session_*`, `of_a_deleted_session_*` | the same |
//! | descriptor exhaustion in the server | `descriptors::*` | `descriptors::a_flood_of_tunnels_is_shed` |
//! | any of it, anywhere | `campaign::no_fault_makes_a_wrong_result` | the same |
//!
//! After each fault, the next call on the same client works and the session is there; `remains` counts that neither end
//! keeps a connection. What the SDK makes of further answers is in the tests `client` of `sandbox-sessions`, and what it
//! repeats in those and in `client_server`.
//!
//! That the checks can fail is shown beside them: `proxy` holds the faults to what they promise; judgements are made of
//! networks without the fault (`a_network_without_the_fault_is_noticed`) and of clients and servers that do it wrong: that
//! take what comes, trust everybody, speak without TLS, tell proxies all, never ask, never give up, accept again at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without the standard harness does not count as one for these lints"
)]

mod campaign;
mod descriptors;
mod endings;
mod forward_proxy;
mod half_open;
mod names;
mod proxy;
mod remains;
mod rest;
mod scripted;
mod slow_heads;
mod tls;
mod tunnel;
mod verdict;

use std::process::ExitCode;

use contract_tests::{OwnersHouse, Play, play_if_asked, serve, suite};

const ROLES: [(&str, Play); 9] = [
    ("server", |arguments| serve(arguments, |config| config)),
    ("asking", half_open::serve_asking),
    ("not-asking", half_open::serve_without_asking),
    ("cramped", descriptors::serve_cramped),
    ("persistent", descriptors::serve_persistent),
    ("spin", descriptors::spin),
    ("visitor", names::visit),
    ("straight-visitor", names::visit_straight),
    ("careless-visitor", names::visit_through_the_proxy),
];

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    let rooms = [
        proxy::trials,
        rest::trials,
        tunnel::trials,
        slow_heads::trials,
        tls::trials,
        names::trials,
        half_open::trials,
        endings::trials,
        descriptors::trials,
        remains::trials,
        campaign::trials,
    ];
    suite::run(OwnersHouse::start, &rooms, OwnersHouse::stop)
}
