//! Bodies that tell the connection's pace how they get on.

use super::pace::{PROGRESS, Pace};
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Sleep, sleep};

/// The body did not go on for [`PROGRESS`].
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} s", PROGRESS.as_secs())]
pub struct Stalled;

/// A request's body. Whoever waits for its next piece waits for a limited time.
pub struct RequestBody {
    incoming: Incoming,
    timer: Option<Pin<Box<Sleep>>>,
    pace: Arc<Pace>,
    ended: bool,
}

impl RequestBody {
    pub fn new(incoming: Incoming, pace: Arc<Pace>) -> Self {
        Self {
            ended: incoming.is_end_stream(),
            incoming,
            timer: None,
            pace,
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !(self.ended || self.incoming.is_end_stream()) {
            self.pace.leave_unread();
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.timer = None;
            self.ended = frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(PROGRESS)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(Box::new(Stalled))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An answer's body. Its end is the end of the request.
pub struct ReplyBody {
    body: Body,
    pace: Arc<Pace>,
}

impl ReplyBody {
    pub fn new(body: Body, pace: Arc<Pace>) -> Self {
        Self { body, pace }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        self.pace.end();
    }
}

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
