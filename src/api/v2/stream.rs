//! Answers that go on: a stream of JSON records, each `0x1e`, JSON, line feed (contract: v2, Apps and logs).

use super::{Call, Reply};
use crate::domain::Fault;
use crate::events::{Event, Filter, Reader};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use std::convert::Infallible;

/// What a stream of records calls itself.
const MEDIA_TYPE: &str = "application/json-seq";

/// One record in its frame.
pub fn record(value: &impl Serialize) -> Result<Bytes, Fault> {
    let mut bytes = vec![0x1e];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| Fault::internal(format!("cannot write a record: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

/// An answer of framed records, as they come.
pub fn json_seq(records: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
    let mut response = Response::new(Body::from_stream(records.map(Ok::<_, Infallible>)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Reply::Raw(response)
}

/// The wire's form of an event (decision 5).
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Event"))]
pub(super) struct EventBody<'a> {
    seq: u64,
    time: String,
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a Value,
    /// How many events before this one were lost because the reader was too slow.
    #[serde(skip_serializing_if = "is_zero")]
    dropped: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn event(event: &Event, dropped: u64) -> Option<Bytes> {
    record(&EventBody {
        seq: event.seq,
        time: event.time.rfc3339(),
        kind: event.kind,
        data: &event.data,
        dropped,
    })
    .ok()
}

/// An answer that tells events until the client goes or the agent ends. `kinds` are what is told when the query does
/// not say `types`; `since` in the query asks for what came after that number as far as it is still known.
pub fn events(call: &Call, kinds: &[&str]) -> Result<Reply, Fault> {
    let reader = reader(call, kinds)?;
    Ok(json_seq(told(reader).take_until(call.stopping())))
}

/// The same with a first record of `kind` that tells what `state` says. The state is looked at when the reader is there,
/// so that nothing is missed in between.
pub fn events_after_state(
    call: &Call,
    kinds: &[&str],
    kind: &'static str,
    state: impl FnOnce() -> Result<Value, Fault>,
) -> Result<Reply, Fault> {
    let seq = call.managers.events.last();
    let reader = reader(call, kinds)?;
    let first = record(&EventBody {
        seq,
        time: call.managers.events.now().rfc3339(),
        kind,
        data: &state()?,
        dropped: 0,
    })?;
    let records = stream::iter([first]).chain(told(reader));
    Ok(json_seq(records.take_until(call.stopping())))
}

fn reader(call: &Call, kinds: &[&str]) -> Result<Reader, Fault> {
    let asked = call.query.list("types");
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    if let Some(foreign) = asked.iter().find(|kind| !is_within(kind, kinds)) {
        return Err(Fault::bad(format!(
            "there are no events of type {foreign:?} here; ask for {}",
            kinds.join(", ")
        )));
    }
    let since = match call.query.get("since") {
        None | Some("") => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Fault::bad(format!(
                "invalid \"since\": {text:?} is not the number of an event"
            ))
        })?),
    };
    let wanted = if asked.is_empty() { kinds } else { &asked };
    let filter = Filter::of(&call.who, wanted);
    Ok(call.managers.events.subscribe(filter, since))
}

/// Without `kinds` everything is within; else the kind itself or a part of one.
fn is_within(kind: &str, kinds: &[&str]) -> bool {
    kinds.is_empty()
        || kinds.iter().any(|all| {
            kind.strip_prefix(all)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
}

fn told(reader: Reader) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(reader, async |mut reader| {
        loop {
            let (next, dropped) = reader.next().await;
            if let Some(bytes) = event(&next, dropped) {
                return Some((bytes, reader));
            }
        }
    })
}

/// GET /v2/events: everything that the requester may see.
pub async fn all(call: Call) -> Result<Reply, Fault> {
    events(&call, &[])
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
    vec![
        get(
            "/v2/events",
            "Everything that happens and that one may see; the answer does not end",
        )
        .list("types", "Only of these types")
        .number(
            "since",
            0,
            "Also what came after this number, as far as it is known",
        )
        .records::<EventBody<'_>>()
        .fails(&[crate::domain::ErrorKind::BadRequest]),
    ]
}
