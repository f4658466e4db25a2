//! The simulator's own certificate authority and the server certificate it signs.
//!
//! Made anew at every start; only the CA's certificate leaves the process.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot make the simulator's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("rustls refuses the simulator's certificate: {0}")]
    Rustls(#[from] rustls::Error),
}

#[derive(Clone, Debug)]
pub struct Authority {
    pub ca_pem: String,
    pub server: Arc<ServerConfig>,
}

/// A CA, and a server configuration for `localhost` and `listen`.
pub fn make_authority(listen: IpAddr) -> Result<Authority, TlsError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::<String>::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "Enigma simulator CA");
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let server_key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), listen.to_string()];
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "Enigma simulator");
    let certificate = server.signed_by(&server_key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Authority { ca_pem, server: Arc::new(config) })
}
