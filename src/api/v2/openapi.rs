//! `/v2/openapi.json`: what is served here, in the words of OpenAPI 3.1 (ours; decision 5).
//!
//! The document is made by a test from the route table and the wire types (`openapi/describe.rs`), kept beside this
//! file and packed into the binary.

use super::{Call, Reply};
use crate::domain::Fault;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use flate2::{Decompress, FlushDecompress};

/// The document as zlib packs it.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.z"));

/// The document is not longer than this, in bytes.
const LIMIT: usize = 1 << 20;

/// GET /v2/openapi.json: the document itself, in no envelope.
pub async fn show(_call: Call) -> Result<Reply, Fault> {
    let text = unpacked().ok_or_else(|| Fault::internal("the description of the API cannot be unpacked"))?;
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Reply::Raw(response))
}

fn unpacked() -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(LIMIT);
    let mut unpacker = Decompress::new(true);
    unpacker
        .decompress_vec(PACKED, &mut text, FlushDecompress::Finish)
        .ok()?;
    text.shrink_to_fit();
    (unpacker.total_in() == PACKED.len() as u64).then_some(text)
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<describe::Operation> {
    vec![
        describe::get("/v2/openapi.json", "This document")
            .result_bare::<serde_json::Map<String, serde_json::Value>>(),
    ]
}

#[cfg(test)]
pub(super) mod describe;
#[cfg(test)]
mod tests;
