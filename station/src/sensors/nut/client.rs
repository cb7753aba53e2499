//! One connection to a NUT server.

use super::{Power, Ups, status};
use platen_protocol::uplink::UpsState;
use std::sync::Arc;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// No UPS has so many variables; a server that talks without end must not fill the memory.
const MOST_LINES: usize = 2_000;
/// Nor is any line so long, in bytes.
const LONGEST_LINE: u64 = 4_096;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open connection.
pub(super) struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// Connects, under TLS where it is asked for; with `awaited` the server's host waits for us before it cuts the power.
    pub(super) async fn connect(ups: &Ups, awaited: bool) -> Result<Self, String> {
        let address = (ups.host.as_str(), ups.port);
        let plain = TcpStream::connect(address).await.map_err(|e| format!("{}:{}: {e}", ups.host, ups.port))?;
        let mut client = Self { stream: BufReader::new(Box::new(plain)) };
        if let Some(ca) = &ups.ca {
            let tls = trusting(ca)?;
            client.order("STARTTLS").await.map_err(|e| format!("the NUT server does not speak TLS: {e}"))?;
            let name = ServerName::try_from(ups.host.clone()).map_err(|e| format!("{}: {e}", ups.host))?;
            let secured = TlsConnector::from(Arc::new(tls)).connect(name, client.stream.into_inner()).await;
            let secured = secured.map_err(|e| format!("the NUT server's certificate: {e}"))?;
            client = Self { stream: BufReader::new(Box::new(secured)) };
        }
        if let Some(login) = &ups.login {
            let refused = |e: String| format!("the NUT server refuses the user {:?}: {e}", login.user);
            client.order(&format!("USERNAME {}", quoted(&login.user))).await.map_err(refused)?;
            client.order(&format!("PASSWORD {}", quoted(&login.password))).await.map_err(refused)?;
            if awaited {
                client.order(&format!("LOGIN {}", ups.name)).await.map_err(refused)?;
            }
        }
        Ok(client)
    }

    /// Takes leave: nobody has to wait for us any more.
    pub(super) async fn leave(mut self) -> Result<(), String> {
        self.order("LOGOUT").await
    }

    /// Asks how the UPS is.
    pub(super) async fn ask(&mut self, name: &str) -> Result<Power, String> {
        self.say(&format!("LIST VAR {name}")).await?;
        let begin = self.line().await?;
        match begin.as_str() {
            "ERR DATA-STALE" | "ERR DRIVER-NOT-CONNECTED" => return Ok(Power::only(UpsState::Stale)),
            "ERR UNKNOWN-UPS" => return Err(format!("the NUT server has no UPS {name:?}")),
            begin if begin.starts_with("BEGIN LIST VAR ") => {}
            other => return Err(format!("the NUT server answers {other:?}")),
        }
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if line.starts_with("END LIST VAR ") {
                return Ok(status::read(&lines));
            }
            if lines.len() >= MOST_LINES {
                return Err("the NUT server's list has no end".into());
            }
            lines.push(line);
        }
    }

    /// Says something that is answered by OK.
    async fn order(&mut self, order: &str) -> Result<(), String> {
        self.say(order).await?;
        let answer = self.line().await?;
        if answer == "OK" || answer.starts_with("OK ") { Ok(()) } else { Err(answer) }
    }

    async fn say(&mut self, line: &str) -> Result<(), String> {
        let line = format!("{line}\n");
        let said = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        said.await.map_err(|e: std::io::Error| e.to_string())
    }

    async fn line(&mut self) -> Result<String, String> {
        use tokio::io::AsyncReadExt;
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LONGEST_LINE);
        limited.read_until(b'\n', &mut line).await.map_err(|e| e.to_string())?;
        if line.pop() != Some(b'\n') {
            return Err("the NUT server has hung up".into());
        }
        String::from_utf8(line).map_err(|_| "the NUT server's answer is no text".into())
    }
}

/// A word of the protocol, in which blanks and quotes may stand.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// TLS that trusts nobody but this authority.
fn trusting(ca: &std::path::Path) -> Result<ClientConfig, String> {
    let bad = |e: &dyn std::fmt::Display| format!("sensors.ups_ca = {}: {e}", ca.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|e| bad(&e))? {
        roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
    }
    if roots.is_empty() {
        return Err(bad(&"there is no certificate in it (PEM is wanted)"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&e))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
