//! The request for a tunnel and its answer.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{BoxIo, Refusal, Tunnel, TunnelConfig};
use crate::{Error, ErrorKind, Phase};

/// How much of the head of an answer is read, in bytes.
const HEAD_LIMIT: usize = 64 << 10;

/// How much of the body of a refusal is read, in bytes.
const BODY_LIMIT: usize = 64 << 10;

/// Asks at the other end of `stream` for a tunnel to `target`.
pub(super) async fn connect(
    stream: BoxIo,
    target: Uri,
    host: String,
    headers: HeaderMap,
    phase: Phase,
    config: &TunnelConfig,
) -> Result<Tunnel, Error> {
    let invalid = |error: http::Error| Error::caused_by(phase, ErrorKind::InvalidConfig, error);
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target)
        .header(header::HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(invalid)?;
    request.headers_mut().extend(headers);
    if let Some(agent) = &config.user_agent {
        request
            .headers_mut()
            .insert(header::USER_AGENT, HeaderValue::clone(agent));
    }
    timeout(config.timeouts.answer, exchange(stream, request, phase))
        .await
        .unwrap_or_else(|_| Err(Error::new(phase, ErrorKind::TimedOut)))
}

async fn exchange(stream: BoxIo, request: Request<Empty<Bytes>>, phase: Phase) -> Result<Tunnel, Error> {
    let failed = |error: hyper::Error| {
        let kind = if error.is_parse() {
            ErrorKind::Protocol
        } else {
            ErrorKind::Disconnected
        };
        Error::caused_by(phase, kind, error)
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let mut connection = pin!(connection.with_upgrades());
    // The connection makes no progress unless it is polled, and what it ends with is told by the answer, too.
    let mut driven = false;
    let mut answering = pin!(async {
        let response = sender.send_request(request).await.map_err(failed)?;
        if response.status().is_success() {
            hyper::upgrade::on(response)
                .await
                .map(Answer::Open)
                .map_err(failed)
        } else {
            Ok(Answer::Refused(refusal(response).await))
        }
    });
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut answering => break answer?,
            _ = &mut connection, if !driven => driven = true,
        }
    };
    match answer {
        Answer::Refused(refusal) => Err(Error::caused_by(phase, ErrorKind::Refused, refusal)),
        Answer::Open(upgraded) => {
            let parts = upgraded
                .downcast::<TokioIo<BoxIo>>()
                .map_err(|_| Error::new(phase, ErrorKind::Protocol))?;
            Ok(Tunnel {
                early: parts.read_buf,
                stream: parts.io.into_inner(),
            })
        }
    }
}

enum Answer {
    Open(hyper::upgrade::Upgraded),
    Refused(Refusal),
}

/// As much of a refusal as there is: the status is known, and worth more than the reason why its explanation is cut.
async fn refusal(response: Response<Incoming>) -> Refusal {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(Ok(frame)) = incoming.frame().await {
        if let Some(data) = frame.data_ref() {
            let room = BODY_LIMIT - body.len();
            body.extend_from_slice(data.get(..room).unwrap_or(data));
        }
        if body.len() >= BODY_LIMIT {
            break;
        }
    }
    Refusal {
        status: head.status,
        headers: head.headers,
        body: body.freeze(),
    }
}
