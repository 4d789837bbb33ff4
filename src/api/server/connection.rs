//! One connection from accept to end.

use super::body::{ReplyBody, RequestBody};
use super::pace::Pace;
use super::seats::Seat;
use crate::access::Peer;
use crate::api::v2::V2;
use axum::body::{Body, HttpBody};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Sleep, sleep, sleep_until};

/// The most bytes of a head, and the most that are read ahead of a body.
const BUFFER: usize = 64 * 1024;

/// How long what a client still sends is read and dropped once it is answered. Were the connection closed under it, the
/// client would see it break and might never see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Answers the requests of a connection until it ends, by itself or because its time is over.
pub async fn attend(stream: UnixStream, peer: Arc<Peer>, dialect: V2, seat: Seat) {
    let pace = Arc::clone(&seat.pace);
    let stream = TokioIo::new(Paced {
        stream,
        pace: Arc::clone(&pace),
        linger: None,
    });
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        pace.begin(request.body().size_hint().exact());
        let (pace, peer, mut dialect) = (Arc::clone(&pace), Arc::clone(&peer), dialect.clone());
        async move {
            let request = request.map(|body| Body::new(RequestBody::new(body, Arc::clone(&pace))));
            let response = dialect.answer(peer, request).await;
            Ok::<_, Infallible>(response.map(|body| ReplyBody::new(body, pace)))
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .title_case_headers(true)
        .max_buf_size(BUFFER)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let mut closing = false;
    poll_fn(|context| {
        pace.watch(context.waker());
        if pace.is_closing() && !closing {
            closing = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(context) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(error)) => {
                log::debug!("a connection broke: {error}");
                Poll::Ready(())
            }
            Poll::Pending => overdue(&pace, &mut timer, context),
        }
    })
    .await;
}

/// Ready when the connection's time is over. The timer is moved only when it would come too late: a deadline that
/// moved away is found out when it fires, so a quick request costs no timer at all.
fn overdue(pace: &Pace, timer: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<()> {
    loop {
        let Some(deadline) = pace.deadline() else {
            return Poll::Pending;
        };
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        if timer.deadline() > deadline.into() || timer.is_elapsed() {
            timer.as_mut().reset(deadline.into());
        }
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
    }
}

/// A stream that tells the pace of what goes through it.
struct Paced {
    stream: UnixStream,
    pace: Arc<Pace>,
    /// Our half is closed; until then the rest of the other is read.
    linger: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pace.read(&buffer.filled()[before..]);
        }
        result
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace.wrote(result.is_ready());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.pace.wrote(result.is_ready());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            if !self.pace.is_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let this = &mut *self;
        let timer = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut unwanted = [0; 4096];
        loop {
            if timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut unwanted);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
