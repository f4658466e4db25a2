//! One WebSocket connection: which kind it is by its path, and its life.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use crate::dialects::binance::Product;
use crate::dialects::binance::reject::Reject;
use crate::dialects::binance::streams::{QUEUE_MAX, Route, SubscriberId};
use crate::dialects::{binance_spot, binance_usdm};
use crate::faults::Socket;
use crate::host::Host;
use crate::settings::ConnectionRules;
use crate::socket::SocketControl;

const FRAME_BYTES_MAX: usize = 64 * 1024;
const BATCH_MAX: usize = 256;
/// A peer that takes nothing for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const HANDSHAKE_WEIGHT: u64 = 5;
const SPOT_HANDSHAKE_WEIGHT: u64 = 2;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    Streams {
        product: Product,
        route: Route,
        combined: bool,
        names: Vec<String>,
        /// Listen keys of the query, each with the event types it wants.
        keys: Vec<(String, Option<Vec<String>>)>,
    },
    Orders {
        product: Product,
        return_rate_limits: bool,
    },
}

impl Visit {
    /// None for a path that is no WebSocket of the venue. `product` is the port's, which decides
    /// where both markets have the path.
    pub fn read(product: Product, path: &str, query: &str) -> Option<Self> {
        let orders = match path.trim_end_matches('/') {
            "/ws-fapi/v1" => Some(Product::Usdm),
            "/ws-api/v3" => Some(Product::Spot),
            _ => None,
        };
        if let Some(product) = orders {
            let off = query.split('&').any(|pair| pair == "returnRateLimits=false");
            return Some(Self::Orders { product, return_rate_limits: !off });
        }
        let (route, rest) =
            [("/public", Route::Public), ("/market", Route::Market), ("/private", Route::Private)]
                .into_iter()
                .find_map(|(prefix, route)| path.strip_prefix(prefix).map(|rest| (route, rest)))
                .unwrap_or((Route::Unrouted, path));
        let product = if route == Route::Unrouted { product } else { Product::Usdm };
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let combined = match parts.next()? {
            "ws" => false,
            "stream" => true,
            _ => return None,
        };
        let mut names: Vec<String> = parts.map(str::to_owned).collect();
        let mut keys: Vec<(String, Option<Vec<String>>)> = Vec::new();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let list = || value.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
            match name {
                "streams" => names.extend(list()),
                "listenKey" => keys.push((value.to_owned(), None)),
                "events" => {
                    if let Some((_, events)) = keys.last_mut() {
                        *events = Some(list().collect());
                    }
                }
                _ => {}
            }
        }
        Some(Self::Streams { product, route, combined, names, keys })
    }

    pub fn product(&self) -> Product {
        match self {
            Self::Streams { product, .. } | Self::Orders { product, .. } => *product,
        }
    }

    pub fn socket(&self) -> Socket {
        match self {
            Self::Orders { .. } => Socket::Orders,
            Self::Streams { route: Route::Private, .. } => Socket::Private,
            Self::Streams { route: Route::Public | Route::Market | Route::Unrouted, .. } => {
                Socket::Public
            }
        }
    }
}

/// Why the venue does not open this connection.
pub fn refuse(host: &Host, visit: &Visit, address: IpAddr) -> Option<Reject> {
    let now = host.now();
    let product = visit.product();
    let closed = match product {
        Product::Spot => host.spot().trouble.in_maintenance(now),
        Product::Usdm => host.usdm().trouble.in_maintenance(now),
    };
    if closed {
        return Some(Reject::unavailable());
    }
    match (visit, product) {
        (Visit::Streams { .. }, _) => None,
        (Visit::Orders { .. }, Product::Spot) => {
            host.spot().charge_handshake(now, address, SPOT_HANDSHAKE_WEIGHT).err()
        }
        (Visit::Orders { .. }, Product::Usdm) => {
            host.usdm().charge_handshake(now, address, HANDSHAKE_WEIGHT).err()
        }
    }
}

pub async fn run<S>(
    host: &Arc<Host>,
    control: &Arc<SocketControl>,
    address: IpAddr,
    visit: Visit,
    stream: S,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (outbox, inbox) = mpsc::channel(QUEUE_MAX);
    let product = visit.product();
    if product == Product::Spot {
        host.spot_heard.store(true, std::sync::atomic::Ordering::Release);
    }
    let mut talk = Talk::begin(host, visit, address, outbox);
    let rules = host.rules(product);
    let mut life = Life { host, control, socket, rules, last_pong: Instant::now() };
    tokio::select! {
        () = life.run(&mut talk, inbox) => {}
        () = control.killed() => {}
    }
    talk.end(host);
}

enum Talk {
    Streams(Product, SubscriberId, Allowance),
    UsdmOrders(
        binance_usdm::ws_api::ApiSession,
        #[expect(dead_code, reason = "held so that the channel stays open")]
        mpsc::Sender<Utf8Bytes>,
    ),
    /// User events come on this connection too.
    SpotOrders(Box<binance_spot::session::ApiSession>),
}

impl Talk {
    fn begin(host: &Host, visit: Visit, address: IpAddr, outbox: mpsc::Sender<Utf8Bytes>) -> Self {
        let now = host.now();
        match visit {
            Visit::Orders { product: Product::Usdm, return_rate_limits } => {
                let session =
                    binance_usdm::ws_api::ApiSession::new(now, address, return_rate_limits);
                Self::UsdmOrders(session, outbox)
            }
            Visit::Orders { product: Product::Spot, return_rate_limits } => {
                let id = host.spot().user_streams.join(outbox);
                let session =
                    binance_spot::session::ApiSession::new(now, address, return_rate_limits, id);
                Self::SpotOrders(Box::new(session))
            }
            Visit::Streams { product: Product::Spot, combined, names, .. } => {
                let mut venue = host.spot();
                let id = venue.hub.join(Route::Unrouted, combined, outbox);
                for name in names {
                    venue.hub.subscribe(id, &name);
                }
                Self::Streams(Product::Spot, id, Allowance::default())
            }
            Visit::Streams { product: Product::Usdm, route, combined, names, keys } => {
                let mut venue = host.usdm();
                let id = venue.hub.join(route, combined, outbox);
                for name in names {
                    let is_key = route == Route::Private && !name.contains('@');
                    if is_key {
                        venue.listen(id, &name, None);
                    } else {
                        // A malformed name in the URL is silent, as nothing can answer it.
                        venue.hub.subscribe(id, &name);
                    }
                }
                for (key, events) in keys {
                    venue.listen(id, &key, events);
                }
                Self::Streams(Product::Usdm, id, Allowance::default())
            }
        }
    }

    /// The reply to one text frame; None where there is none.
    fn reply(&mut self, host: &Host, text: &Utf8Bytes) -> Option<String> {
        let now = host.now();
        match self {
            Self::Streams(Product::Usdm, id, _) => Some(host.usdm().stream_control(*id, text)),
            Self::Streams(Product::Spot, id, _) => Some(host.spot().stream_control(*id, text)),
            Self::UsdmOrders(session, _) => {
                host.stamp_order(text);
                host.usdm().ws_api(now, session, text)
            }
            Self::SpotOrders(session) => {
                host.stamp_order(text);
                host.spot().ws_api(now, session, text)
            }
        }
    }

    fn end(self, host: &Host) {
        match self {
            Self::Streams(Product::Usdm, id, _) => host.usdm().hub.leave(id),
            Self::Streams(Product::Spot, id, _) => host.spot().hub.leave(id),
            Self::SpotOrders(session) => host.spot().user_streams.leave(session.connection),
            Self::UsdmOrders(..) => {}
        }
    }
}

/// Incoming messages of a stream connection in the current second.
#[derive(Debug, Default)]
struct Allowance {
    second: u64,
    used: u32,
}

impl Allowance {
    fn take(&mut self, second: u64, limit: u32) -> bool {
        if self.second != second {
            *self = Self { second, used: 0 };
        }
        self.used = self.used.saturating_add(1);
        self.used <= limit
    }
}

struct Life<'a, S> {
    host: &'a Arc<Host>,
    control: &'a SocketControl,
    socket: WebSocketStream<S>,
    rules: ConnectionRules,
    last_pong: Instant,
}

impl<S> Life<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self, talk: &mut Talk, mut inbox: mpsc::Receiver<Utf8Bytes>) {
        let rules = self.rules;
        let ends = Instant::now() + rules.lifetime;
        let mut pings = tokio::time::interval_at(
            Instant::now() + rules.ping_every,
            rules.ping_every.max(Duration::from_millis(1)),
        );
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let go_on = tokio::select! {
                count = inbox.recv_many(&mut batch, BATCH_MAX) => {
                    count > 0 && self.write_batch(&mut batch).await
                }
                message = self.socket.next() => match message {
                    Some(Ok(message)) => self.on_message(talk, message).await,
                    Some(Err(_)) | None => false,
                },
                _ = pings.tick() => self.ping().await,
                () = tokio::time::sleep_until(ends) => {
                    self.close().await;
                    false
                }
            };
            if !go_on {
                return;
            }
        }
    }

    /// Writes what waits, with one flush.
    async fn write_batch(&mut self, batch: &mut Vec<Utf8Bytes>) -> bool {
        self.control.delay().await;
        let (host, socket) = (self.host, &mut self.socket);
        let write = async {
            for text in batch.drain(..) {
                host.stamp_tick(&text);
                socket.feed(Message::Text(text)).await?;
            }
            socket.flush().await
        };
        matches!(tokio::time::timeout(WRITE_WITHIN, write).await, Ok(Ok(())))
    }

    async fn on_message(&mut self, talk: &mut Talk, message: Message) -> bool {
        if let Talk::Streams(_, _, allowance) = talk {
            let second = self.host.now().0 / 1000;
            if !allowance.take(second, self.rules.stream_messages_per_second) {
                self.close().await;
                return false;
            }
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Pong(_) => {
                self.last_pong = Instant::now();
                return true;
            }
            // The pong to a peer's ping waits in the socket until something is flushed.
            Message::Ping(_) => return self.socket.flush().await.is_ok(),
            Message::Binary(_) | Message::Close(_) | Message::Frame(_) => return false,
        };
        let reply = talk.reply(self.host, &text);
        match reply {
            Some(reply) => self.write(Message::text(reply)).await,
            None => true,
        }
    }

    async fn ping(&mut self) -> bool {
        if self.last_pong.elapsed() > self.rules.pong_within {
            self.close().await;
            return false;
        }
        let stamp = self.host.now().0.to_string();
        self.write(Message::Ping(Bytes::from(stamp))).await
    }

    async fn write(&mut self, message: Message) -> bool {
        self.control.delay().await;
        let write = self.socket.send(message);
        matches!(tokio::time::timeout(WRITE_WITHIN, write).await, Ok(Ok(())))
    }

    async fn close(&mut self) {
        // The peer may be gone already; there is no one to tell.
        let _ = tokio::time::timeout(WRITE_WITHIN, self.socket.close(None)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, query: &str, expected: Option<(Route, bool, &[&str], usize)>) {
        let found = match Visit::read(Product::Usdm, path, query) {
            Some(Visit::Streams { route, combined, names, keys, .. }) => {
                Some((route, combined, names, keys.len()))
            }
            Some(Visit::Orders { .. }) | None => None,
        };
        let expected = expected.map(|(route, combined, names, keys)| {
            (route, combined, names.iter().map(|n| (*n).to_owned()).collect(), keys)
        });
        assert_eq!(found, expected, "{path}?{query}");
    }

    #[test]
    fn every_documented_path_leads_to_its_route() {
        use Route::{Market, Private, Public, Unrouted};
        check("/public/ws/a@trade/b@depth", "", Some((Public, false, &["a@trade", "b@depth"], 0)));
        check(
            "/public/stream",
            "streams=a@trade/b@depth",
            Some((Public, true, &["a@trade", "b@depth"], 0)),
        );
        check("/market/ws", "", Some((Market, false, &[], 0)));
        check("/private/ws/KEY", "", Some((Private, false, &["KEY"], 0)));
        check("/private/ws", "listenKey=KEY", Some((Private, false, &[], 1)));
        check(
            "/private/stream",
            "listenKey=A&events=X/Y&listenKey=B",
            Some((Private, true, &[], 2)),
        );
        check("/ws", "", Some((Unrouted, false, &[], 0)));
        check("/stream", "streams=a@trade", Some((Unrouted, true, &["a@trade"], 0)));
        check("/ws-api/v3", "", None);
    }

    #[track_caller]
    fn check_product(port: Product, path: &str, expected: Product) {
        let found = Visit::read(port, path, "").map(|visit| visit.product());
        assert_eq!(found, Some(expected), "{path} on {port:?}");
    }

    #[test]
    fn the_port_decides_only_where_both_markets_have_the_path() {
        for port in [Product::Spot, Product::Usdm] {
            check_product(port, "/ws/a@trade", port);
            check_product(port, "/stream", port);
            check_product(port, "/public/ws", Product::Usdm);
            check_product(port, "/ws-api/v3", Product::Spot);
            check_product(port, "/ws-fapi/v1", Product::Usdm);
        }
    }
}
