//! What runs beside the caller: every task of the runtime is one of two types.
//!
//! The runtime compiles its own share of a task anew for each type of future and of closure. Measured on x86_64: 45 types
//! were 60 kB beside what they do.

use futures_util::future::BoxFuture;
use std::any::Any;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

type Anything = Box<dyn Any + Send>;

/// Goes on with the future beside the caller. Panics outside of a runtime.
pub fn spawn(future: BoxFuture<'static, ()>) -> JoinHandle<()> {
    tokio::spawn(future)
}

/// Goes on with the future on that runtime.
pub fn spawn_on(runtime: &Handle, future: BoxFuture<'static, ()>) -> JoinHandle<()> {
    runtime.spawn(future)
}

/// Begins at once on a thread that may block; what comes back is waited for, or dropped by who does not care. Panics
/// outside of a runtime.
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    Blocking(begin(Box::new(move || Box::new(work()))), PhantomData)
}

fn begin(work: Box<dyn FnOnce() -> Anything + Send>) -> JoinHandle<Anything> {
    tokio::task::spawn_blocking(work)
}

/// The result of [`blocking`], when it is there; an error when the work panicked.
pub struct Blocking<T>(JoinHandle<Anything>, PhantomData<fn() -> T>);

impl<T: 'static> Future for Blocking<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map_ok(|ended| match ended.downcast() {
                Ok(value) => *value,
                Err(_) => unreachable!("the work's own type"),
            })
    }
}
