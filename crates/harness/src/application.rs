//! An application to protect, as a process of its own that can be killed: `test-application PORT`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::installation::plain_get;
use crate::until::until;
use crate::{ports, processes};

/// The application, running.
pub struct Application {
    process: Child,
    port: u16,
}

impl Application {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it is not built, or does not listen.
    pub async fn start() -> Result<Self> {
        Self::on(ports::free()?).await
    }

    /// Starts one on a port.
    ///
    /// # Errors
    /// When it is not built, or does not listen.
    pub async fn on(port: u16) -> Result<Self> {
        let mut command = processes::tied(&processes::built("test-application")?);
        let process = command.arg(port.to_string()).spawn().context("cannot start the application")?;
        let application = Self { process, port };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        until("the application listens", Duration::from_secs(10), async || {
            plain_get(&address, "/").await.ok()
        })
        .await?;
        Ok(application)
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Requests that it has served so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn served(&self) -> Result<u64> {
        let answer = plain_get(&format!("127.0.0.1:{}", self.port), "/served").await?;
        answer.rsplit("\r\n").next().unwrap_or_default().trim().parse().context("no number")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// `kill -9`; nothing listens on the port afterwards.
    pub fn kill(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.kill();
    }
}
