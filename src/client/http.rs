//! One request over one connection.

use super::ClientError;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::Path;
use tokio::net::UnixStream;

pub(super) use hyper::body::Incoming;

/// A body that is sent.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// No body.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body that is all there.
pub(super) fn full(text: String) -> Body {
    Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed()
}

/// Sends one request and returns the head of the answer; the body is read by the caller.
pub(super) async fn send(
    socket: &Path,
    mut request: Request<Body>,
) -> Result<Response<Incoming>, ClientError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| ClientError::Unreachable {
            socket: socket.to_owned(),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(dropped)?;
    // Its end is seen by the one who awaits the answer.
    tokio::spawn(connection);
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("pinion/", env!("CARGO_PKG_VERSION"))),
    );
    sender.send_request(request).await.map_err(dropped)
}

/// The whole body of an answer.
pub(super) async fn collect(body: Incoming) -> Result<Bytes, ClientError> {
    Ok(body.collect().await.map_err(dropped)?.to_bytes())
}

/// A connection that ended; the innermost cause is the one that tells.
pub(super) fn dropped(error: hyper::Error) -> ClientError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ClientError::Dropped(cause.to_string())
}
