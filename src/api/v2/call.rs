//! One request as its handler gets it: access is decided, the body is not read yet.

use super::query::Query;
use crate::access::{Peer, Policy};
use crate::domain::{ErrorKind, Fault, Requester, json};
use crate::managers::Managers;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How many bytes of a JSON body are read.
pub const JSON_LIMIT: usize = 1 << 20;

/// How long a refused body is still read.
const LINGER: Duration = Duration::from_secs(2);

/// One admitted request.
pub struct Call {
    pub managers: Arc<Managers>,
    pub who: Requester,
    /// The named segments of the path.
    pub params: Vec<(String, String)>,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Body,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) policy: Policy,
    pub(super) peer: Arc<Peer>,
}

impl Call {
    /// A named segment of the path; empty when the route has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Who asks, if the body says by which cookie (a snapctl's `context-id`).
    pub fn who_with(&self, cookie: &str) -> Requester {
        self.policy.identify(&self.peer, Some(cookie))
    }

    /// Comes back when the agent ends: whoever waits for something else should answer then.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.clone();
        async move {
            // An error means that the sender is gone, which is an end as well.
            let _ = stop.wait_for(|stopped| *stopped).await;
        }
    }

    /// The media type of the body in lower case and its parameters as they stand; `None` without a usable header.
    pub fn media_type(&self) -> Option<(String, &str)> {
        let text = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let (media, rest) = text.split_once(';').unwrap_or((text, ""));
        let media = media.trim().to_ascii_lowercase();
        let named = media
            .split_once('/')
            .is_some_and(|(one, two)| !one.is_empty() && !two.is_empty());
        named.then_some((media, rest.trim()))
    }

    /// Refuses a body that does not say it is JSON in UTF-8 (contract: v2, Snaps).
    pub fn require_json(&self) -> Result<(), Fault> {
        let Some((media, rest)) = self.media_type() else {
            return Err(Fault::bad(
                "cannot parse content type: send the body as application/json",
            ));
        };
        if media != "application/json" {
            return Err(Fault::bad(format!(
                "unknown content type: {media}; send the body as application/json"
            )));
        }
        let charset = rest
            .split(';')
            .filter_map(|parameter| parameter.trim().split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .map_or("", |(_, value)| value.trim().trim_matches('"'));
        if charset.is_empty() || charset.eq_ignore_ascii_case("utf-8") {
            Ok(())
        } else {
            Err(Fault::bad(format!(
                "unknown charset in content type: {charset}; send UTF-8"
            )))
        }
    }

    /// The whole body, when it has at most `limit` bytes.
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes, Fault> {
        let mut all = Vec::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broken_off(&error))?;
            if let Some(data) = frame.data_ref() {
                if all.len() + data.len() > limit {
                    self.drop_body().await;
                    return Err(Fault::new(
                        ErrorKind::TooLarge,
                        format!("the request body is larger than {limit} bytes; send less at once"),
                    ));
                }
                all.extend_from_slice(data);
            }
        }
        Ok(all.into())
    }

    /// Reads what is still sent of the body and drops it, for a short while: who is cut off while it sends may never see
    /// the answer.
    pub async fn drop_body(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.body.frame().await {} };
        // Who sends for longer has to live with the cut.
        let _ = tokio::time::timeout(LINGER, rest).await;
    }

    /// The first JSON value of the body; what follows it is ignored, as the contract's daemon does.
    pub async fn value(&mut self) -> Result<Value, Fault> {
        let bytes = self.bytes(JSON_LIMIT).await?;
        first_value(&bytes)
    }

    /// The first JSON object of the body as `T`: `null` is an empty object, the case of its names does not matter,
    /// unknown names are ignored.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Fault> {
        let value = self.value().await?;
        from_object(value)
    }
}

/// The answer to a body that ended too early.
pub fn broken_off(error: &dyn std::error::Error) -> Fault {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    Fault::bad(format!("the request body broke off ({text}); send it again"))
}

fn first_value(bytes: &[u8]) -> Result<Value, Fault> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(undecodable(&error.to_string())),
        None => Err(undecodable("it is empty")),
    }
}

fn from_object<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    let map = match value {
        Value::Null => Map::new(),
        Value::Object(map) => map,
        other => {
            let kind = match other {
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "an array",
                Value::Null | Value::Object(_) => "an object",
            };
            return Err(undecodable(&format!("it is {kind}, not an object")));
        }
    };
    // A name that is written as it should be wins over one in another case.
    let mut folded = Map::new();
    for (name, value) in map {
        let lower = name.to_lowercase();
        if name == lower || !folded.contains_key(&lower) {
            folded.insert(lower, value);
        }
    }
    json::record(Value::Object(folded)).map_err(|error| undecodable(&error.to_string()))
}

fn undecodable(why: &str) -> Fault {
    Fault::bad(format!("cannot decode request body: {why}; send a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Body {
        action: String,
        keep_going: bool,
    }

    fn read(text: &str) -> Result<Body, Fault> {
        first_value(text.as_bytes()).and_then(from_object)
    }

    #[test]
    fn bodies_are_read_leniently() {
        // contract: v2-observed, "Body-decode leniency", and v2, section 1
        let full = Body {
            action: "abort".into(),
            keep_going: true,
        };
        assert_eq!(read(r#"{"action":"abort","keep-going":true}"#), Ok(full));
        assert_eq!(read("null"), Ok(Body::default()));
        assert_eq!(read(r#"{"unknown":[1]} trailing"#), Ok(Body::default()));
        assert_eq!(read(r#"{"Action":"x"}"#).map(|body| body.action), Ok("x".into()));
        assert_eq!(
            read(r#"{"action":"a","ACTION":"b"}"#).map(|body| body.action),
            Ok("a".into())
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(100_000);
        for text in ["", "[]", "7", "\"x\"", "{", "{\"action\":7}", deep.as_str()] {
            let fault = read(text).expect_err(&text[..text.len().min(20)]);
            assert_eq!(fault.kind, ErrorKind::BadRequest);
            assert!(fault.message.starts_with("cannot decode request body: "));
        }
    }
}
