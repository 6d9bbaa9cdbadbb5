//! Debian's HAProxy and nginx before a preferred and a redundant server, as they come and as a careful person tunes them.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use evergate_harness::{ports, processes, until};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// Which proxy, with which settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    HaproxyDefaults,
    HaproxyTuned,
    NginxDefaults,
    NginxTuned,
}

impl Setting {
    pub(crate) const ALL: [Self; 4] =
        [Self::HaproxyDefaults, Self::HaproxyTuned, Self::NginxDefaults, Self::NginxTuned];

    const fn is_haproxy(self) -> bool {
        matches!(self, Self::HaproxyDefaults | Self::HaproxyTuned)
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HaproxyDefaults => "HAProxy, default checks",
            Self::HaproxyTuned => "HAProxy, tuned",
            Self::NginxDefaults => "nginx, defaults",
            Self::NginxTuned => "nginx, tuned",
        })
    }
}

/// A running proxy with a directory of its own.
pub(crate) struct Proxy {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Proxy {
    pub(crate) async fn start(setting: Setting, servers: [u16; 2]) -> Result<Self> {
        let directory = TempDir::with_prefix("evergate-comparison-")?;
        let at = directory.path();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        std::fs::write(at.join("chain.pem"), &chain)?;
        std::fs::write(at.join("key.pem"), &key)?;
        std::fs::write(at.join("both.pem"), format!("{chain}{key}"))?;
        let port = ports::free()?;
        let here = at.display().to_string();
        let file = at.join("configuration");
        let mut command = if setting.is_haproxy() {
            std::fs::write(&file, haproxy(setting, port, servers, &here))?;
            let mut command = processes::tied("haproxy".as_ref());
            command.args(["-db", "-f"]).arg(&file);
            command
        } else {
            std::fs::write(&file, nginx(setting, port, servers, &here))?;
            let mut command = processes::tied("nginx".as_ref());
            command.arg("-e").arg(at.join("error.log")).arg("-p").arg(at).arg("-c").arg(&file);
            command
        };
        let output = std::fs::File::create(at.join("output"))?;
        command.stdout(Stdio::null()).stderr(output);
        let process = command.spawn().with_context(|| format!("cannot start {setting}"))?;
        let proxy = Self { process, port, directory };
        let listens = until("the proxy listens", Duration::from_secs(10), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        });
        let said = || std::fs::read_to_string(proxy.directory.path().join("output")).unwrap_or_default();
        listens.await.with_context(said)?;
        Ok(proxy)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that clients trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("chain.pem")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for worker in processes::children(self.process.id()) {
            _ = processes::signal(worker, Signal::SIGKILL);
        }
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// The tuned one checks four times a second, leaves a server at the second miss, gives an answer a second, and asks the
/// other server once more where the first did not answer.
fn haproxy(setting: Setting, port: u16, [first, second]: [u16; 2], at: &str) -> String {
    let is_tuned = setting == Setting::HaproxyTuned;
    let (timeouts, checks) = if is_tuned {
        (
            "timeout connect 250ms\n timeout server 1s\n option redispatch 1\n retries 2\n \
             retry-on conn-failure empty-response response-timeout",
            "check inter 250ms fastinter 100ms fall 2 rise 2 on-marked-down shutdown-sessions",
        )
    } else {
        ("timeout connect 5s\n timeout server 50s", "check")
    };
    format!(
        "global\n maxconn 4000\ndefaults\n mode http\n timeout client 50s\n {timeouts}\n\
         frontend users\n bind 127.0.0.1:{port} ssl crt {at}/both.pem\n default_backend application\n\
         backend application\n option httpchk GET /\n server first 127.0.0.1:{first} {checks}\n \
         server second 127.0.0.1:{second} {checks} backup\n"
    )
}

/// The tuned one waits for half a second for an answer, then asks the other server, and leaves the first one for 10 s.
fn nginx(setting: Setting, port: u16, [first, second]: [u16; 2], at: &str) -> String {
    let times = if setting == Setting::NginxTuned {
        "proxy_connect_timeout 250ms; proxy_read_timeout 500ms; proxy_next_upstream error timeout http_502 http_503;"
    } else {
        ""
    };
    format!(
        "daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error.log; events {{ worker_connections 4096; }}
         http {{ access_log off; client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
                 uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;
                 upstream application {{ server 127.0.0.1:{first}; server 127.0.0.1:{second} backup; keepalive 64; }}
                 server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/chain.pem; ssl_certificate_key {at}/key.pem;
                           location / {{ proxy_pass http://application; proxy_http_version 1.1;
                                         proxy_set_header Connection ''; {times} }} }} }}"
    )
}
