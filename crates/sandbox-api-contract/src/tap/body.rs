//! Where bodies end, and what is kept of them.

use http::{HeaderMap, header};

use crate::document::JSON;
use crate::exchange::{Body, media_type};

/// The largest body that is kept to be judged; more than any server takes or sends as JSON.
const KEPT: u64 = 64 << 20;

/// The longest line between chunks.
const LINE: usize = 16 << 10;

/// A body on its way.
pub(super) struct Incoming {
    framing: Framing,
    length: u64,
    /// Its bytes, as long as there is a use for them.
    kept: Option<Vec<u8>>,
}

enum Framing {
    Length(u64),
    Chunked(Chunk),
    UntilEnd,
}

enum Chunk {
    /// The line that says how long the next one is.
    Size(Vec<u8>),
    Data(u64),
    /// The end of the line that the data is.
    AfterData(Vec<u8>),
    Trailer(Vec<u8>),
}

/// What is no body.
pub(super) struct Malformed;

/// How far a body has come.
#[derive(PartialEq, Eq)]
pub(super) enum Progress {
    Open,
    Whole,
}

impl Incoming {
    /// The body of a request.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<Self, Malformed> {
        let framing = announced(headers)?.unwrap_or(Framing::Length(0));
        Ok(Self::new(framing, headers))
    }

    /// The body of a response that may have one.
    pub(super) fn of_response(headers: &HeaderMap) -> Result<Self, Malformed> {
        let framing = announced(headers)?.unwrap_or(Framing::UntilEnd);
        Ok(Self::new(framing, headers))
    }

    /// The body that a response does not have, whatever its headers say of it.
    pub(super) fn none(headers: &HeaderMap) -> Self {
        Self::new(Framing::Length(0), headers)
    }

    fn new(framing: Framing, headers: &HeaderMap) -> Self {
        let readable = !headers.contains_key(header::CONTENT_ENCODING);
        let is_json = media_type(headers).is_some_and(|media_type| media_type == JSON);
        Self {
            framing,
            length: 0,
            kept: (readable && is_json).then(Vec::new),
        }
    }

    /// Takes what belongs to the body from the beginning of the bytes.
    pub(super) fn take(&mut self, bytes: &mut &[u8]) -> Result<Progress, Malformed> {
        loop {
            let wanted = match &mut self.framing {
                Framing::Length(0) => return Ok(Progress::Whole),
                Framing::Length(rest) | Framing::Chunked(Chunk::Data(rest)) => *rest,
                Framing::UntilEnd => u64::MAX,
                Framing::Chunked(chunk) => match chunk.between(bytes)? {
                    Some(progress) => return Ok(progress),
                    None => continue,
                },
            };
            if bytes.is_empty() {
                return Ok(Progress::Open);
            }
            let count = usize::try_from(wanted).unwrap_or(usize::MAX).min(bytes.len());
            let (data, rest) = bytes.split_at_checked(count).ok_or(Malformed)?;
            *bytes = rest;
            self.keep(data);
            let left = wanted - count as u64;
            match &mut self.framing {
                Framing::Chunked(chunk) if left == 0 => *chunk = Chunk::AfterData(Vec::new()),
                Framing::Length(rest) | Framing::Chunked(Chunk::Data(rest)) => *rest = left,
                _ => {}
            }
        }
    }

    fn keep(&mut self, data: &[u8]) {
        self.length += data.len() as u64;
        if self.length > KEPT {
            self.kept = None;
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(data);
        }
    }

    /// The body, once it is whole.
    pub(super) fn whole(self) -> Body {
        match self.kept {
            Some(bytes) => Body::Whole(bytes),
            None => Body::Counted(self.length),
        }
    }

    /// The body, once the connection has ended.
    pub(super) fn ended(self) -> Body {
        match self.framing {
            Framing::UntilEnd => self.whole(),
            _ => Body::Broken,
        }
    }
}

/// What the headers say of the body's end.
fn announced(headers: &HeaderMap) -> Result<Option<Framing>, Malformed> {
    if let Some(coding) = headers.get_all(header::TRANSFER_ENCODING).iter().next_back() {
        let last = coding.to_str().map_err(|_| Malformed)?.rsplit(',').next();
        let is_chunked = last.is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"));
        return if is_chunked {
            Ok(Some(Framing::Chunked(Chunk::Size(Vec::new()))))
        } else {
            Err(Malformed)
        };
    }
    let Some(length) = headers.get(header::CONTENT_LENGTH) else {
        return Ok(None);
    };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    length
        .map(|length| Some(Framing::Length(length)))
        .ok_or(Malformed)
}

impl Chunk {
    /// Goes on between chunks, by a line at most. It says how far the body is once no more can be done.
    fn between(&mut self, bytes: &mut &[u8]) -> Result<Option<Progress>, Malformed> {
        let (Self::Size(line) | Self::AfterData(line) | Self::Trailer(line)) = self else {
            return Ok(None);
        };
        if !take_line(line, bytes)? {
            return Ok(Some(Progress::Open));
        }
        let line = std::mem::take(line);
        let text = line.trim_ascii_end();
        *self = match self {
            Self::Size(_) => match chunk_size(text)? {
                0 => Self::Trailer(Vec::new()),
                size => Self::Data(size),
            },
            Self::AfterData(_) if text.is_empty() => Self::Size(Vec::new()),
            Self::Trailer(_) if text.is_empty() => return Ok(Some(Progress::Whole)),
            Self::Trailer(_) => Self::Trailer(Vec::new()),
            _ => return Err(Malformed),
        };
        Ok(None)
    }
}

/// Whether the line is complete now.
fn take_line(line: &mut Vec<u8>, bytes: &mut &[u8]) -> Result<bool, Malformed> {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let count = end.map_or(bytes.len(), |end| end + 1);
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Malformed)?;
    *bytes = rest;
    line.extend_from_slice(taken);
    if line.len() > LINE {
        return Err(Malformed);
    }
    Ok(end.is_some())
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    /// Feeds it in pieces of one size; what is left over, and the body.
    fn fed(headers: &HeaderMap, bytes: &[u8], size: usize) -> (Vec<u8>, Option<Body>) {
        let mut incoming = Incoming::of_request(headers).ok().unwrap();
        let mut pieces = bytes.chunks(size);
        while let Some(mut piece) = pieces.next() {
            match incoming.take(&mut piece) {
                Ok(Progress::Whole) => {
                    let rest = [piece, &pieces.collect::<Vec<_>>().concat()].concat();
                    return (rest, Some(incoming.whole()));
                }
                Ok(Progress::Open) => assert!(piece.is_empty()),
                Err(Malformed) => return (Vec::new(), None),
            }
        }
        (Vec::new(), Some(incoming.ended()))
    }

    #[test]
    fn bodies_end_where_they_say_however_they_come() {
        let chunked = headers(&[
            ("transfer-encoding", "chunked"),
            ("content-type", "application/json"),
        ]);
        let text = b"2;a=b\r\n[1\r\n3\r\n,2]\r\n0\r\nx: y\r\n\r\nGET";
        let long = headers(&[
            ("content-length", "5"),
            ("content-type", "application/json; charset=utf-8"),
        ]);
        for size in [1, 2, 3, 7, 100] {
            let whole = Some(Body::Whole(b"[1,2]".to_vec()));
            assert_eq!(fed(&chunked, text, size), (b"GET".to_vec(), whole.clone()));
            assert_eq!(fed(&long, b"[1,2]GET", size), (b"GET".to_vec(), whole));
        }
    }

    #[test]
    fn what_is_no_json_is_counted() {
        let bytes = headers(&[
            ("content-length", "3"),
            ("content-type", "application/octet-stream"),
        ]);
        assert_eq!(fed(&bytes, b"abc", 2).1, Some(Body::Counted(3)));
    }

    #[test]
    fn what_ends_early_is_broken() {
        let long = headers(&[("content-length", "9"), ("content-type", "application/json")]);
        assert_eq!(fed(&long, b"[1,2]", 2).1, Some(Body::Broken));
    }

    #[test]
    fn what_is_no_body_is_told() {
        let chunked = headers(&[("transfer-encoding", "chunked")]);
        for text in ["x\r\n", "2\r\nabc\r\n", "-1\r\n", "10000000000000000\r\n"] {
            assert_eq!(fed(&chunked, text.as_bytes(), 1).1, None, "{text}");
        }
        assert!(Incoming::of_request(&headers(&[("content-length", "-1")])).is_err());
        assert!(Incoming::of_request(&headers(&[("transfer-encoding", "gzip")])).is_err());
    }
}
