//! The beginnings of requests and responses.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

/// More headers and bytes than servers take, so that the refusal is theirs.
const HEADERS: usize = 256;
const BYTES: usize = 256 << 10;

pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// What a beginning of bytes is.
pub(super) enum Parsed<T> {
    /// Too short to be known.
    Partial,
    /// This, and so many bytes long.
    Complete(T, usize),
    /// No HTTP.
    Malformed,
}

pub(super) fn request(bytes: &[u8]) -> Parsed<RequestHead> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let head = || {
                Some(RequestHead {
                    method: request.method?.parse().ok()?,
                    uri: request.path?.parse().ok()?,
                    headers: map(request.headers)?,
                })
            };
            head().map_or(Parsed::Malformed, |head| Parsed::Complete(head, length))
        }
        Ok(httparse::Status::Partial) => partial(bytes),
        Err(_) => Parsed::Malformed,
    }
}

pub(super) fn response(bytes: &[u8]) -> Parsed<ResponseHead> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let head = || {
                Some(ResponseHead {
                    status: StatusCode::from_u16(response.code?).ok()?,
                    headers: map(response.headers)?,
                })
            };
            head().map_or(Parsed::Malformed, |head| Parsed::Complete(head, length))
        }
        Ok(httparse::Status::Partial) => partial(bytes),
        Err(_) => Parsed::Malformed,
    }
}

/// The head of a request with another `Host`.
pub(super) fn renamed(head: &[u8], host: &HeaderValue) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"host") {
            renamed.extend_from_slice(b"Host: ");
            renamed.extend_from_slice(host.as_bytes());
            renamed.extend_from_slice(b"\r\n");
        } else {
            renamed.extend_from_slice(line);
        }
    }
    renamed
}

fn partial<T>(bytes: &[u8]) -> Parsed<T> {
    if bytes.len() < BYTES {
        Parsed::Partial
    } else {
        Parsed::Malformed
    }
}

fn map(headers: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name: HeaderName = header.name.parse().ok()?;
        let mut value = HeaderValue::from_bytes(header.value).ok()?;
        value.set_sensitive(name == header::AUTHORIZATION || name == header::PROXY_AUTHORIZATION);
        map.append(name, value);
    }
    Some(map)
}
