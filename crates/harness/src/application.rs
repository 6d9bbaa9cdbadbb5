//! An application to protect, as a process of its own that can be killed: `test-application ADDRESS`.

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
    address: SocketAddr,
}

impl Application {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it is not built, or does not listen.
    pub async fn start() -> Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?))).await
    }

    /// Starts one at an address.
    ///
    /// # Errors
    /// When it is not built, or does not listen.
    pub async fn at(address: SocketAddr) -> Result<Self> {
        let mut command = processes::tied(&processes::built("test-application")?);
        let process = command.arg(address.to_string()).spawn().context("cannot start the application")?;
        let (application, address) = (Self { process, address }, address.to_string());
        until("the application listens", Duration::from_secs(10), async || {
            plain_get(&address, "/").await.ok()
        })
        .await?;
        Ok(application)
    }

    /// Where it is: `http://ADDRESS`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that it has served so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn served(&self) -> Result<u64> {
        let answer = plain_get(&self.address.to_string(), "/served").await?;
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
