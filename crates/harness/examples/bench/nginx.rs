//! Debian's nginx in two roles: the application that answers 1 KiB, and a plain TLS proxy before it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use evergate_harness::{ports, processes, until};
use tempfile::TempDir;

/// What an nginx is for.
pub(crate) enum Role {
    /// Answers 1 KiB, on the client's core.
    Application,
    /// Ends TLS and forwards over kept connections, on the proxies' core.
    Proxy {
        /// The application's port.
        to: u16,
    },
}

/// A running nginx with a directory of its own.
pub(crate) struct Nginx {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Nginx {
    pub(crate) async fn start(role: Role) -> Result<Self> {
        let directory = TempDir::with_prefix("evergate-bench-")?;
        let port = ports::free()?;
        let at = directory.path().display();
        let (affinity, server) = match role {
            Role::Application => {
                std::fs::write(directory.path().join("index.html"), vec![b'x'; 1024])?;
                (
                    "10",
                    format!(
                        "server {{ listen 127.0.0.1:{port}; root {at}; keepalive_requests 1000000000; }}"
                    ),
                )
            }
            Role::Proxy { to } => {
                write_certificate(&directory)?;
                ("01", proxy(port, to, &at.to_string()))
            }
        };
        let configuration = format!(
            "daemon off; worker_processes 1; worker_cpu_affinity {affinity}; pid {at}/pid; error_log {at}/error.log;
             events {{ worker_connections 4096; }}
             http {{ access_log off; client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
                     uwsgi_temp_path {at}/d; scgi_temp_path {at}/e; default_type text/html; {server} }}"
        );
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new("nginx");
        command
            .arg("-e")
            .arg(directory.path().join("error.log"))
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("cannot start `nginx`")?;
        let nginx = Self { process, port, _directory: directory };
        until("nginx listens", Duration::from_secs(10), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await?;
        Ok(nginx)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The process that does the work.
    pub(crate) fn worker(&self) -> Result<u32> {
        processes::children(self.process.id()).first().copied().context("nginx has no worker")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        for worker in processes::children(self.process.id()) {
            _ = processes::signal(worker, nix::sys::signal::Signal::SIGKILL);
        }
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn proxy(port: u16, to: u16, at: &str) -> String {
    format!(
        "upstream application {{ server 127.0.0.1:{to}; keepalive 128; keepalive_requests 1000000000; }}
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/chain.pem; ssl_certificate_key {at}/key.pem;
                   ssl_protocols TLSv1.2 TLSv1.3; keepalive_requests 1000000000;
                   location / {{ proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection '';
                                 proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
                                 proxy_set_header X-Forwarded-Proto https; }} }}"
    )
}

/// A certificate of the kind that Evergate makes: ECDSA on P-256.
fn write_certificate(directory: &TempDir) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    std::fs::write(directory.path().join("chain.pem"), made.cert.pem())?;
    std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}
