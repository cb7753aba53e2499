//! A UPS: the real `upsd` of NUT with its `dummy-ups` driver, whose state a script writes.

use crate::process::{Process, free_address, wait};
use anyhow::Context;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Name of the UPS.
pub const NAME: &str = "rig";

/// A running NUT server with one UPS.
#[derive(Debug)]
pub struct Ups {
    /// `NAME@HOST:PORT`.
    pub address: String,
    device: PathBuf,
    driver: Process,
    server: Process,
}

/// What the server wants to see of who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// A user that may log in.
    pub user: &'static str,
    /// The user's password.
    pub password: &'static str,
}

impl Ups {
    /// Whether Debian's nut-server is there.
    #[must_use]
    pub fn available() -> bool {
        Path::new("/lib/nut/dummy-ups").exists() && Path::new("/lib/nut/upsd").exists()
    }

    /// Starts driver and server in `folder`.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, None)
    }

    /// The same, with TLS and a login. The certificate of who signed the server's lies in `folder` as `ca.pem`.
    pub fn start_guarded(folder: &Path, guarded: &Guarded) -> anyhow::Result<Self> {
        Self::start_with(folder, Some(guarded))
    }

    fn start_with(folder: &Path, guarded: Option<&Guarded>) -> anyhow::Result<Self> {
        let folder = &std::path::absolute(folder)?;
        fs::create_dir_all(folder)?;
        // The driver gives up root's rights; the folder is the test's own.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
        let port = free_address(0)?.port();
        let device = folder.join("rig.dev");
        write_device(&device, "OL", 98.0)?;
        fs::write(folder.join("nut.conf"), "MODE=standalone\n")?;
        fs::write(
            folder.join("ups.conf"),
            format!("pollinterval = 1\n[{NAME}]\ndriver = dummy-ups\nport = {}\nmode = dummy-loop\n", device.display()),
        )?;
        let (tls, users) = match guarded {
            None => (String::new(), String::new()),
            Some(Guarded { user, password }) => {
                certify(folder)?;
                let database = folder.join("nss");
                let tls = format!("CERTPATH {}\nCERTIDENT rig {PASSWORD}\n", database.display());
                let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
                (tls, format!("[{user}]\npassword = \"{quoted}\"\nupsmon secondary\n"))
            }
        };
        fs::write(folder.join("upsd.conf"), format!("LISTEN 127.0.0.1 {port}\nMAXAGE 6\n{tls}"))?;
        fs::write(folder.join("upsd.users"), users)?;
        let run = |program: &str| {
            let mut command = Command::new(format!("/lib/nut/{program}"));
            command.env("NUT_CONFPATH", folder).env("NUT_STATEPATH", folder).env("NUT_ALTPIDPATH", folder);
            command
        };
        let log = folder.join("nut.log");
        let root = rustix::process::getuid().is_root();
        let user = ["-u", "root"];
        let driver =
            Process::start(run("dummy-ups").args(["-a", NAME, "-F"]).args(user.iter().filter(|_| root)), &log)?;
        let server = Process::start(run("upsd").arg("-F").args(user.iter().filter(|_| root)), &log)?;
        wait("upsd to listen", || Ok(TcpStream::connect(("127.0.0.1", port)).ok()))
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Self { address: format!("{NAME}@localhost:{port}"), device, driver, server })
    }

    /// The driver loses the UPS.
    pub fn lose_driver(&mut self) {
        self.driver.kill();
    }

    /// The server vanishes.
    pub fn vanish(&mut self) {
        self.server.kill();
    }

    /// How many the server's host waits for before it cuts the power, by the server's own count.
    pub fn logins(&self) -> anyhow::Result<u32> {
        let (_, address) = self.address.split_once('@').context("an address has an @")?;
        let mut stream = TcpStream::connect(address)?;
        writeln!(stream, "GET NUMLOGINS {NAME}")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let count = line.trim().rsplit(' ').next().context("an answer")?;
        count.parse().with_context(|| format!("upsd says {line:?}"))
    }

    /// Sets the status words (`OL`, `OB`, `OB LB`…) and the charge.
    pub fn set(&self, status: &str, charge: f64) -> anyhow::Result<()> {
        write_device(&self.device, status, charge)
    }
}

fn write_device(device: &Path, status: &str, charge: f64) -> anyhow::Result<()> {
    let text = format!(
        "ups.mfr: Platen rig\nups.model: dummy\nups.status: {status}\nbattery.charge: {charge}\nbattery.runtime: 1800\nTIMER 1\n"
    );
    let part = device.with_extension("part");
    fs::write(&part, text)?;
    fs::rename(part, device)?;
    Ok(())
}

/// Of the server's keys.
const PASSWORD: &str = "rig-keys";

/// Makes an authority and a certificate for localhost, in the form that Debian's upsd wants (NSS).
fn certify(folder: &Path) -> anyhow::Result<()> {
    let database = folder.join("nss");
    fs::create_dir_all(&database)?;
    fs::write(folder.join("password"), PASSWORD)?;
    fs::write(folder.join("noise"), [7u8; 64])?;
    let run = |command: &mut Command| -> anyhow::Result<()> {
        let out = command.current_dir(folder).output().with_context(|| format!("{:?}", command.get_program()))?;
        anyhow::ensure!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    };
    let openssl = |arguments: &str| run(Command::new("openssl").args(arguments.split(' ')));
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=rig-authority")?;
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost")?;
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")?;
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
    )?;
    openssl(
        "pkcs12 -export -in server.pem -inkey server.key -certfile ca.pem -name rig -passout pass:rig -out server.p12",
    )?;
    run(Command::new("certutil").args(["-N", "-d", "nss", "-f", "password"]))?;
    run(Command::new("pk12util").args(["-i", "server.p12", "-d", "nss", "-k", "password", "-W", "rig"]))?;
    run(Command::new("certutil").args([
        "-A",
        "-d",
        "nss",
        "-n",
        "authority",
        "-t",
        "CT,,",
        "-i",
        "ca.pem",
        "-f",
        "password",
    ]))
}
