//! The typed HTTP client that the command line and the tests use.
//!
//! It speaks the `/v2` dialect over a unix socket: one connection per request, bodies streamed both ways. It knows
//! the wire by its own structs ([`types`]), so that an accident in the server's shows as a failing client.

mod error;
mod events;
mod http;
pub mod types;
mod upload;
mod wait;

pub use error::{ClientError, Refusal};
pub use events::Events;
pub use upload::Upload;
pub use wait::{Followed, POLL};

use crate::domain::json;
use http::{Body, Incoming};
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use types::Envelope;

/// A client of one agent.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    /// The cookie of the snap that asks.
    context: Option<String>,
    /// How many warnings wait, by the last answer that told.
    warnings: Mutex<u64>,
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The result as it came.
    pub result: Value,
    /// The change that was started, for an asynchronous answer.
    pub change: Option<String>,
}

impl Answer {
    /// The result as a type of ours.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        T::deserialize(self.result).map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// The change's id, of a request that must start one.
    pub fn change(self) -> Result<String, ClientError> {
        self.change
            .filter(|id| !id.is_empty())
            .ok_or_else(|| ClientError::Answer(String::from("no change was named")))
    }
}

/// How often a read is tried again when its connection drops, and the pause before it.
const RETRIES: u32 = 8;
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl Client {
    /// A client of the agent behind `socket`. Nothing is sent yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            context: None,
            warnings: Mutex::new(0),
        }
    }

    /// The same client as a snap, known by its cookie on the snap socket.
    pub fn with_context(mut self, cookie: &str) -> Self {
        self.context = Some(cookie.to_owned());
        self
    }

    /// The socket that it speaks through.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How many warnings the last answer said were waiting.
    pub fn pending_warnings(&self) -> u64 {
        self.warnings.lock().map_or(0, |count| *count)
    }

    /// Reads a resource; tried again for two seconds when the connection drops before the answer.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        let mut tries = 0;
        loop {
            match self.get_once(path).await {
                Err(error) if error.is_dropped_connection() && tries < RETRIES => {
                    tries += 1;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Reads a resource as a type of ours.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get(path).await?.parse()
    }

    /// Reads a resource; a lost connection is the caller's business.
    async fn get_once(&self, path: &str) -> Result<Answer, ClientError> {
        let response = self.send(Method::GET, path, None, http::empty()).await?;
        self.answer(response).await
    }

    /// Sends a JSON document. Never tried again: the first try may have been heard.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.write(Method::POST, path, body).await
    }

    /// The same with PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.write(Method::PUT, path, body).await
    }

    async fn write(&self, method: Method, path: &str, body: &Value) -> Result<Answer, ClientError> {
        let body = http::full(body.to_string());
        let response = self.send(method, path, Some("application/json"), body).await?;
        self.answer(response).await
    }

    /// Sends a form with files, streamed in chunks without a length, as `snap` does.
    pub async fn upload(&self, path: &str, form: Upload) -> Result<Answer, ClientError> {
        let content_type = form.content_type();
        let body: Body = form.into_body()?;
        let response = self.send(Method::POST, path, Some(&content_type), body).await?;
        self.answer(response).await
    }

    /// Opens a stream of `application/json-seq` records.
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        let response = self.send(Method::GET, path, None, http::empty()).await?;
        if response.status() == StatusCode::OK {
            Ok(Events::new(response.into_body()))
        } else {
            self.answer(response).await?;
            Err(ClientError::Answer(String::from("a stream was expected")))
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Body,
    ) -> Result<hyper::Response<Incoming>, ClientError> {
        let mut request = hyper::Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if let Some(context) = &self.context {
            request = request.header("x-snap-context", context);
        }
        let request = request
            .body(body)
            .map_err(|error| ClientError::Answer(format!("{path:?} cannot be asked for: {error}")))?;
        http::send(&self.socket, request).await
    }

    /// Takes the envelope apart.
    async fn answer(&self, response: hyper::Response<Incoming>) -> Result<Answer, ClientError> {
        let status = response.status();
        let body = http::collect(response.into_body()).await?;
        let envelope: Envelope = json::decode(&body)
            .map_err(|_| ClientError::Answer(format!("status {status} without the usual envelope")))?;
        if let Ok(mut count) = self.warnings.lock() {
            *count = envelope.warning_count;
        }
        match envelope.kind.as_str() {
            "sync" => Ok(Answer {
                result: envelope.result,
                change: None,
            }),
            "async" => Ok(Answer {
                result: envelope.result,
                change: envelope.change,
            }),
            "error" => Err(ClientError::Refused(Refusal::new(
                status.as_u16(),
                envelope.result,
                &envelope.status,
            ))),
            other => Err(ClientError::Answer(format!("unknown answer type {other:?}"))),
        }
    }
}

/// A text as part of a path or of a query.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
