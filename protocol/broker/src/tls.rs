//! The stream below MQTT: plain, or under TLS with certificates that are read at each connection.
//!
//! TLS is made here and not by the client, which then needs none of its own: one TLS stack in the whole house.

use crate::Broker;
use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

/// A broker that does not answer for so long is not there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Opens the stream.
pub(crate) async fn open(broker: &Broker) -> io::Result<Box<dyn Stream>> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, open_inner(broker)).await.map_err(late)?
}

async fn open_inner(broker: &Broker) -> io::Result<Box<dyn Stream>> {
    let address = &broker.address;
    let plain = TcpStream::connect((address.host.as_str(), address.port)).await?;
    // Acknowledgements are small and must not wait for one another.
    plain.set_nodelay(true)?;
    if !address.tls {
        return Ok(Box::new(plain));
    }
    let config = config(broker).map_err(io::Error::other)?;
    let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let secured = TlsConnector::from(Arc::new(config)).connect(name, plain).await;
    let secured = secured.map_err(|e| io::Error::new(e.kind(), format!("TLS with the broker: {e}")))?;
    Ok(Box::new(secured))
}

fn config(broker: &Broker) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in broker.ca.iter().map(|ca| certificates(ca)).collect::<Result<Vec<_>, _>>()?.concat() {
        roots.add(certificate).map_err(|e| format!("ca: {e}"))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &broker.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(certificate)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: no key in it: {e}", key.display()))?;
    builder
        .with_client_auth_cert(chain, key_der)
        .map_err(|e| format!("{} and {} do not belong together: {e}", certificate.display(), key.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bad = |e: &dyn std::fmt::Display| format!("{}: no certificate in it: {e}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(|e| bad(&e))?.collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|e| bad(&e))?;
    if read.is_empty() { Err(bad(&"it is empty")) } else { Ok(read) }
}

/// Which files a connection was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp(Vec<Option<SystemTime>>);

impl Stamp {
    /// As the files are now.
    #[must_use]
    pub fn of(broker: &Broker) -> Self {
        let identity = broker.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        let files = broker.ca.iter().chain(identity).chain(broker.login.iter().map(|(_, file)| file));
        Self(files.map(|file| std::fs::metadata(file).and_then(|m| m.modified()).ok()).collect())
    }
}
