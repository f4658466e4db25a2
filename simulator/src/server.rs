//! The sockets: one HTTP server that answers REST and upgrades to WebSocket by path.
//!
//! Every port serves every path, so that clients with one base address work too. A path that both
//! markets have, as un-routed streams, is the market's whose port it came to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::connection::{self, Visit};
use crate::dialects::binance::Product;
use crate::dialects::binance::rest::{RestReply, RestRequest};
use crate::faults;
use crate::host::Host;
use crate::socket::{FaultySocket, SocketControl};
use crate::view;

const BODY_BYTES_MAX: usize = 256 * 1024;
const CONNECTIONS_MAX: usize = 1_024;

type Reply = Response<Full<Bytes>>;

/// Accepts until the simulator stops.
pub async fn serve(
    host: Arc<Host>,
    product: Product,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        if host.is_stopping() {
            return;
        }
        if host.connections.count() >= CONNECTIONS_MAX {
            continue;
        }
        // Nagle would hold small frames back; where it can't be set they are only slower.
        let _ = stream.set_nodelay(true);
        let (id, control) = host.connections.enter(product);
        let socket = FaultySocket::new(stream, Arc::clone(&control));
        let (host, tls) = (Arc::clone(&host), tls.clone());
        let caller = Peer { product, address: peer, id };
        tokio::spawn(async move {
            match tls {
                None => http(&host, socket, caller, &control).await,
                Some(acceptor) => match acceptor.accept(socket).await {
                    Ok(secure) => http(&host, secure, caller, &control).await,
                    Err(error) => {
                        tracing::debug!(%error, "TLS handshake failed");
                        host.connections.leave(id);
                    }
                },
            }
        });
    }
}

/// Who is at the other end, and to which market's port it came.
#[derive(Clone, Copy, Debug)]
struct Peer {
    product: Product,
    address: SocketAddr,
    id: u64,
}

async fn http<S>(host: &Arc<Host>, stream: S, peer: Peer, control: &Arc<SocketControl>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let service = service_fn(|request| {
        let (host, control) = (Arc::clone(host), Arc::clone(control));
        let upgraded = Arc::clone(&upgraded);
        async move {
            let reply = answer(&host, &control, peer, request, &upgraded).await;
            control.delay().await;
            reply
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        outcome = served.with_upgrades() => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "an HTTP connection ended");
            }
        }
        () = control.killed() => {}
    }
    if !upgraded.load(std::sync::atomic::Ordering::Acquire) {
        host.connections.leave(peer.id);
    }
}

async fn answer(
    host: &Arc<Host>,
    control: &Arc<SocketControl>,
    peer: Peer,
    mut request: Request<Incoming>,
    upgraded: &std::sync::atomic::AtomicBool,
) -> Result<Reply, Infallible> {
    if wants_websocket(request.headers()) {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let visit = Visit::read(peer.product, path, query);
        let Some(visit) = visit else { return Ok(plain(StatusCode::NOT_FOUND, "")) };
        if let Some(refusal) = connection::refuse(host, &visit, peer.address.ip()) {
            return Ok(json(StatusCode::from_u16(refusal.status), refusal.body().to_string()));
        }
        let Some(accept) = accept_key(request.headers()) else {
            return Ok(plain(StatusCode::BAD_REQUEST, "missing Sec-WebSocket-Key"));
        };
        control.set_kind(visit.socket());
        upgraded.store(true, std::sync::atomic::Ordering::Release);
        let on_upgrade = hyper::upgrade::on(&mut request);
        let (host, control) = (Arc::clone(host), Arc::clone(control));
        tokio::spawn(async move {
            if let Ok(raw) = on_upgrade.await {
                let address = peer.address.ip();
                connection::run(&host, &control, address, visit, TokioIo::new(raw)).await;
            }
            host.connections.leave(peer.id);
        });
        return Ok(switching(&accept));
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, ""));
    };
    let body = body.to_bytes();
    let Ok(body) = std::str::from_utf8(&body) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "the body is not UTF-8"));
    };
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    if let Some(path) = path.strip_prefix("/simulator/") {
        return Ok(own_page(host, &parts.method, path, query, body));
    }
    let request = RestRequest {
        method: parts.method.as_str(),
        path,
        query,
        body,
        api_key: parts.headers.get("X-MBX-APIKEY").and_then(|value| value.to_str().ok()),
        address: peer.address.ip(),
    };
    let reply = if path.starts_with("/api/") || path.starts_with("/sapi/") {
        host.spot_heard.store(true, std::sync::atomic::Ordering::Release);
        host.spot().rest(host.now(), &request)
    } else {
        host.usdm().rest(host.now(), &request)
    };
    match reply {
        Some(reply) => Ok(rest_response(reply)),
        None => {
            // The reply is lost: the caller waits until it gives up or the socket is closed.
            control.killed().await;
            Ok(plain(StatusCode::GATEWAY_TIMEOUT, ""))
        }
    }
}

/// Pages of the simulator, not of any venue: the omniscient view and what a test programs.
fn own_page(host: &Arc<Host>, method: &Method, path: &str, query: &str, body: &str) -> Reply {
    let value = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(sent, _)| *sent == name).map(|(_, value)| value)
    };
    match (method.as_str(), path) {
        ("GET", "account") => {
            let seen = value("api_key").and_then(|key| match value("venue") {
                Some("binance_spot") => view::spot_account(&host.spot(), key),
                Some(_) | None => view::account(&host.usdm(), key),
            });
            match seen.map(|seen| serde_json::to_string(&seen)) {
                Some(Ok(text)) => json(Ok(StatusCode::OK), text),
                Some(Err(_)) | None => plain(StatusCode::NOT_FOUND, "no such api_key"),
            }
        }
        ("GET", "status") => json(Ok(StatusCode::OK), view::status(host).to_string()),
        ("POST", "faults") => match faults::read_json(body) {
            Ok((product, fault)) => {
                host.play(product, &fault);
                json(Ok(StatusCode::OK), "{}".to_owned())
            }
            Err(error) => plain(StatusCode::BAD_REQUEST, &error),
        },
        ("POST", "funding") => match value("rate").map(str::parse) {
            Some(Ok(rate)) => {
                host.pay_funding(rate);
                json(Ok(StatusCode::OK), "{}".to_owned())
            }
            Some(Err(_)) | None => plain(StatusCode::BAD_REQUEST, "rate must be a number"),
        },
        ("POST", "deposit") => {
            let amount = value("amount").and_then(|amount| amount.parse().ok());
            match (value("api_key"), value("asset"), amount) {
                (Some(key), Some(asset), Some(amount)) if host.deposit(key, asset, amount) => {
                    json(Ok(StatusCode::OK), "{}".to_owned())
                }
                _ => plain(StatusCode::BAD_REQUEST, "api_key, asset and amount are needed"),
            }
        }
        _ => plain(StatusCode::NOT_FOUND, ""),
    }
}

fn rest_response(reply: RestReply) -> Reply {
    let kind = if reply.html { "text/html" } else { "application/json" };
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    for (name, value) in reply.headers {
        let name = header::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, header::HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    response
}

fn json(status: Result<StatusCode, http::status::InvalidStatusCode>, body: String) -> Reply {
    let status = status.map_or(500, |status| status.as_u16());
    rest_response(RestReply { status, body, html: false, headers: Vec::new() })
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
}

fn switching(accept: &str) -> Reply {
    let mut response = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    if let Ok(value) = header::HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, value);
    }
    response
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

fn accept_key(headers: &HeaderMap) -> Option<String> {
    headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()))
}
