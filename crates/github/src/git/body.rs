//! A request's body, piece by piece, unpacked where the client packed it.

use std::io::{self, Write as _};

use axum::body::{BodyDataStream, Bytes};
use axum::extract::Request;
use flate2::write::GzDecoder;
use futures_util::StreamExt as _;
use http::{StatusCode, header};

use crate::access::Failure;

/// The largest push or fetch request that is taken, unpacked.
const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Compressed bytes are unpacked in pieces of this size: each may become a thousand times as long.
const PIECE_BYTES: usize = 4 * 1024;

/// The rest of a request's body.
pub(super) struct GitBody {
    stream: BodyDataStream,
    received: Bytes,
    unpack: Option<GzDecoder<Vec<u8>>>,
    left: u64,
}

impl GitBody {
    pub(super) fn new(request: Request) -> Result<Self, Failure> {
        let coding = request.headers().get(header::CONTENT_ENCODING);
        let unpack = match coding.map(http::HeaderValue::as_bytes) {
            None | Some(b"identity") => None,
            Some(b"gzip" | b"x-gzip") => Some(GzDecoder::new(Vec::new())),
            Some(_) => {
                let text = "the request is packed in a way that is not known here: only gzip is";
                return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
            }
        };
        let stream = request.into_body().into_data_stream();
        Ok(Self { stream, received: Bytes::new(), unpack, left: BODY_BYTES_MAX })
    }

    /// The next bytes; `None` at the end. A body that was cut off is an error, not an end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.received.is_empty() {
                match self.stream.next().await {
                    Some(Ok(received)) => self.received = received,
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    None => return self.end(),
                }
            }
            let piece = match &mut self.unpack {
                None => std::mem::take(&mut self.received),
                Some(unpack) => {
                    let piece = self.received.split_to(self.received.len().min(PIECE_BYTES));
                    unpack.write_all(&piece)?;
                    std::mem::take(unpack.get_mut()).into()
                }
            };
            if !piece.is_empty() {
                return self.count(piece).map(Some);
            }
        }
    }

    fn end(&mut self) -> io::Result<Option<Bytes>> {
        let Some(unpack) = self.unpack.take() else { return Ok(None) };
        let last = Bytes::from(unpack.finish()?);
        if last.is_empty() { Ok(None) } else { self.count(last).map(Some) }
    }

    fn count(&mut self, piece: Bytes) -> io::Result<Bytes> {
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or_else(|| io::Error::other("the request is too large"))?;
        Ok(piece)
    }

    /// Reads the rest and forgets it: a client that is still sending does not read answers.
    pub(super) async fn discard(&mut self) -> io::Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut pack = GzEncoder::new(Vec::new(), Compression::fast());
        pack.write_all(content).unwrap();
        pack.finish().unwrap()
    }

    async fn read(coding: &str, sent: &[u8]) -> Result<Vec<u8>, String> {
        let request = Request::post("/").header(header::CONTENT_ENCODING, coding);
        // In small parts, as a network brings them.
        let parts: Vec<io::Result<Bytes>> =
            sent.chunks(1000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        let body = Body::from_stream(futures_util::stream::iter(parts));
        let mut body =
            GitBody::new(request.body(body).unwrap()).map_err(|failure| format!("{failure:?}"))?;
        let mut all = Vec::new();
        while let Some(piece) = body.next().await.map_err(|error| error.to_string())? {
            all.extend(piece);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_and_another_left_alone() {
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for coding in ["gzip", "x-gzip"] {
            assert!(read(coding, &packed(&content)).await.unwrap() == content);
        }
        assert!(read("identity", &content).await.unwrap() == content);
        assert_eq!(read("gzip", &packed(b"")).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_torn_or_unknown_packing_is_an_error() {
        let whole = packed(&[7; 100_000]);
        assert!(read("gzip", &whole[..whole.len() - 9]).await.is_err());
        assert!(read("gzip", b"not packed at all").await.is_err());
        assert!(read("br", b"x").await.unwrap_err().contains("only gzip is"));
    }
}
