//! A client of the simulator for its own tests: hyper, tungstenite and the documented signing,
//! composed here anew.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use enigma_simulator::{Product, Simulator, SimulatorConfig, SimulatorHandle, TestAccount};
use futures_util::{SinkExt as _, StreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Duplex>>;

pub(crate) struct Venue {
    pub(crate) handle: SimulatorHandle,
    tls: Option<TlsConnector>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["code"].as_i64().unwrap_or_default()
    }
}

impl Venue {
    pub(crate) async fn start(config: SimulatorConfig) -> Self {
        let handle = Simulator::start(config).await.unwrap();
        let tls = handle.endpoints().ca.as_ref().map(|path| {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).unwrap() {
                roots.add(certificate.unwrap()).unwrap();
            }
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            TlsConnector::from(Arc::new(config))
        });
        Self { handle, tls }
    }

    pub(crate) fn hmac(&self) -> TestAccount {
        self.handle.account("trade", "hmac").unwrap().clone()
    }

    pub(crate) fn ed25519(&self) -> TestAccount {
        self.handle.account("trade", "ed25519").unwrap().clone()
    }

    async fn connect(&self, url: &str) -> Box<dyn Duplex> {
        let authority = url.split('/').nth(2).unwrap();
        let stream = TcpStream::connect(authority).await.unwrap();
        match &self.tls {
            None => Box::new(stream),
            Some(connector) => {
                let host = authority.split(':').next().unwrap().to_owned();
                let name = ServerName::try_from(host).unwrap();
                Box::new(connector.connect(name, stream).await.unwrap())
            }
        }
    }

    /// A WebSocket at an endpoint plus `path`.
    pub(crate) async fn websocket(&self, endpoint: &str, path: &str) -> Socket {
        let url = format!("{endpoint}{path}");
        let stream = self.connect(&url).await;
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        socket
    }

    pub(crate) async fn public(&self, path: &str) -> Socket {
        self.websocket(&self.handle.endpoints().binance_usdm.ws_public, path).await
    }

    pub(crate) async fn private(&self, path: &str) -> Socket {
        self.websocket(&self.handle.endpoints().binance_usdm.ws_private, path).await
    }

    pub(crate) async fn orders(&self) -> Socket {
        self.websocket(&self.handle.endpoints().binance_usdm.ws_api, "").await
    }

    pub(crate) async fn spot_stream(&self, path: &str) -> Socket {
        self.websocket(&self.handle.endpoints().binance_spot.ws_stream, path).await
    }

    pub(crate) async fn spot_orders(&self) -> Socket {
        self.websocket(&self.handle.endpoints().binance_spot.ws_api, "").await
    }

    /// The trading account that spot lists for this kind of key.
    pub(crate) fn spot(&self, role: &str, key_type: &str) -> TestAccount {
        self.handle.account_of(Product::Spot, role, key_type).unwrap().clone()
    }

    pub(crate) async fn http(
        &self,
        method: &str,
        path_and_query: &str,
        body: &str,
        key: Option<&str>,
    ) -> Answer {
        let rest = self.handle.endpoints().binance_usdm.rest.clone();
        let stream = TokioIo::new(self.connect(&rest).await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request =
            http::Request::builder().method(method).uri(path_and_query).header("Host", "127.0.0.1");
        if let Some(key) = key {
            request = request.header("X-MBX-APIKEY", key);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// A signed request with its parameters in the query.
    pub(crate) async fn signed(
        &self,
        account: &TestAccount,
        method: &str,
        path: &str,
        parameters: &str,
    ) -> Answer {
        let stamp = format!("timestamp={}", now_ms());
        let payload = if parameters.is_empty() { stamp } else { format!("{parameters}&{stamp}") };
        let signature = percent_encode(&sign(account, &payload));
        let target = format!("{path}?{payload}&signature={signature}");
        self.http(method, &target, "", Some(&account.api_key)).await
    }
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

pub(crate) fn sign(account: &TestAccount, payload: &str) -> String {
    match (&account.secret, &account.private_key) {
        (Some(secret), _) => {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(payload.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        }
        (None, Some(pem)) => {
            let body: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
            let der = STANDARD.decode(body).unwrap();
            let seed: [u8; 32] = der[16..].try_into().unwrap();
            STANDARD.encode(SigningKey::from_bytes(&seed).sign(payload.as_bytes()).to_bytes())
        }
        (None, None) => panic!("an account without a key"),
    }
}

fn percent_encode(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Adds apiKey, timestamp and signature to the parameters of a WebSocket request.
pub(crate) fn signed_params(account: &TestAccount, params: Value) -> Value {
    let mut params = params.as_object().unwrap().clone();
    params.insert("apiKey".into(), json!(account.api_key));
    params.insert("timestamp".into(), json!(now_ms()));
    let mut names: Vec<_> = params.keys().cloned().collect();
    names.sort();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<_> =
        names.iter().map(|name| format!("{name}={}", text(&params[name]))).collect();
    params.insert("signature".into(), json!(sign(account, &pairs.join("&"))));
    Value::Object(params)
}

pub(crate) async fn send(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// The next text message; pings are answered underway.
pub(crate) async fn receive(socket: &mut Socket) -> Value {
    try_receive(socket).await.expect("the socket ended")
}

pub(crate) async fn try_receive(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
    }
}

pub(crate) async fn ask(socket: &mut Socket, message: &Value) -> Value {
    send(socket, message).await;
    receive(socket).await
}
