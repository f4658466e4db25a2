//! One TCP connection that can be made to misbehave below TLS and WebSocket.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::dialects::binance::Product;
use crate::faults::Socket;

const OPEN: u8 = 0;
const STALLED: u8 = 1;
const HALF_OPEN: u8 = 2;
const CUT_NEXT_WRITE: u8 = 3;

/// How often a stalled socket looks whether the stall has ended.
const STALL_POLL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Open,
    Stalled,
    HalfOpen,
    /// Half of the next write goes out, then a reset.
    CutNextWrite,
}

/// The handle by which faults reach a connection.
#[derive(Debug)]
pub struct SocketControl {
    kind: Mutex<Socket>,
    product: Product,
    mode: AtomicU8,
    reset_at_close: AtomicBool,
    delay_ms: AtomicU64,
    killed: watch::Sender<bool>,
}

impl SocketControl {
    fn new(product: Product) -> Self {
        Self {
            product,
            kind: Mutex::new(Socket::Rest),
            mode: AtomicU8::new(OPEN),
            reset_at_close: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            killed: watch::Sender::new(false),
        }
    }

    pub fn set_kind(&self, kind: Socket) {
        *self.kind.lock().unwrap_or_else(PoisonError::into_inner) = kind;
    }

    /// Whether it is a socket of this kind, on this market or on any.
    pub fn is(&self, (product, wanted): (Option<Product>, Socket)) -> bool {
        let kind = *self.kind.lock().unwrap_or_else(PoisonError::into_inner);
        let here = product.is_none_or(|product| product == self.product);
        here && (wanted == Socket::All || wanted == kind)
    }

    pub fn set_mode(&self, mode: Mode) {
        let value = match mode {
            Mode::Open => OPEN,
            Mode::Stalled => STALLED,
            Mode::HalfOpen => HALF_OPEN,
            Mode::CutNextWrite => CUT_NEXT_WRITE,
        };
        self.mode.store(value, Ordering::Release);
    }

    pub fn set_delay_ms(&self, delay_ms: u64) {
        self.delay_ms.store(delay_ms, Ordering::Release);
    }

    /// Ends the connection; with a TCP reset where asked.
    pub fn kill(&self, reset: bool) {
        self.reset_at_close.store(reset, Ordering::Release);
        self.killed.send_replace(true);
    }

    pub async fn killed(&self) {
        // The sender is `self`, so waiting only ends by the kill.
        let _ = self.killed.subscribe().wait_for(|killed| *killed).await;
    }

    /// Waits as long as a delay fault says before something is written.
    pub async fn delay(&self) {
        let delay_ms = self.delay_ms.load(Ordering::Acquire);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }

    fn mode(&self) -> u8 {
        self.mode.load(Ordering::Acquire)
    }
}

/// Every open connection.
#[derive(Debug, Default)]
pub struct Connections {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<SocketControl>>>,
}

impl Connections {
    /// A connection to a port of this market.
    pub fn enter(&self, product: Product) -> (u64, Arc<SocketControl>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let control = Arc::new(SocketControl::new(product));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id, Arc::clone(&control));
        (id, control)
    }

    pub fn leave(&self, id: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub fn each(&self, wanted: (Option<Product>, Socket), act: impl Fn(&SocketControl)) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter(|control| control.is(wanted)).for_each(|control| act(control));
    }

    pub fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[derive(Debug)]
pub struct FaultySocket {
    stream: TcpStream,
    control: Arc<SocketControl>,
    stall: Option<Pin<Box<Sleep>>>,
}

impl FaultySocket {
    pub fn new(stream: TcpStream, control: Arc<SocketControl>) -> Self {
        Self { stream, control, stall: None }
    }

    /// Pending while the socket is stalled; wakes itself to look again.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.control.mode() == STALLED {
            let sleep = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_POLL)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.stall = None;
        }
        Poll::Ready(())
    }

    fn cut(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let half = bytes.get(..bytes.len().div_ceil(2)).unwrap_or(bytes);
        let written = Pin::new(&mut self.stream).poll_write(cx, half);
        if written.is_pending() {
            return Poll::Pending;
        }
        self.control.kill(true);
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl Drop for FaultySocket {
    fn drop(&mut self) {
        if self.control.reset_at_close.load(Ordering::Acquire) {
            // Where it fails the peer sees an orderly end instead of a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for FaultySocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_stall(cx).is_pending() {
            return Poll::Pending;
        }
        if self.control.mode() == HALF_OPEN {
            let mut ignored = [0; 1024];
            let mut sink = ReadBuf::new(&mut ignored);
            loop {
                sink.clear();
                match Pin::new(&mut self.stream).poll_read(cx, &mut sink) {
                    Poll::Ready(Ok(())) if !sink.filled().is_empty() => {}
                    end @ (Poll::Ready(_) | Poll::Pending) => return end,
                }
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FaultySocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.poll_stall(cx).is_pending() {
            return Poll::Pending;
        }
        match self.control.mode() {
            HALF_OPEN => Poll::Ready(Ok(bytes.len())),
            CUT_NEXT_WRITE => self.cut(cx, bytes),
            _ => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
