//! Chromium without a window, driven by Debian's chromedriver; it trusts the local CA as `evergate trust` would make it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::until::until;
use crate::{ports, processes};

/// What Chromium is started with, so that it talks to nobody but the pages that a test opens.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,900",
];

/// A browser with a profile of its own.
pub struct Browser {
    driver: WebDriver,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that trusts what the local CA has certified for these addresses.
    ///
    /// # Errors
    /// When an address has no good certificate, or chromedriver or Chromium does not start.
    pub async fn start(client: &Client, addresses: &[String]) -> Result<Self> {
        let mut trusted = Vec::new();
        for address in addresses {
            trusted.extend(keys(client, address).await?);
        }
        let profile = TempDir::with_prefix("evergate-browser-")?;
        let port = ports::free()?;
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", profile.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `chromedriver`")?;
        match Self::connect(port, &profile, &trusted).await {
            Ok(driver) => Ok(Self { driver, process, _profile: profile }),
            Err(error) => {
                end(process);
                Err(error)
            }
        }
    }

    async fn connect(port: u16, profile: &TempDir, trusted: &[String]) -> Result<WebDriver> {
        until("chromedriver listens", Duration::from_secs(20), async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await?;
        let mut capabilities = DesiredCapabilities::chrome();
        for flag in FLAGS {
            capabilities.add_arg(flag)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().join("profile").display()))?;
        capabilities.add_arg(&format!("--ignore-certificate-errors-spki-list={}", trusted.join(",")))?;
        WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
            .await
            .context("Chromium does not start")
    }

    /// The page's driver.
    #[must_use]
    pub const fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Waits until the page's text contains `words`.
    ///
    /// # Errors
    /// When it does not, with what it shows instead.
    pub async fn shows(&self, words: &str) -> Result<()> {
        let shown = until(words, Duration::from_secs(20), async || {
            self.text().await.ok().filter(|text| text.contains(words))
        });
        match shown.await {
            Ok(_) => Ok(()),
            Err(error) => {
                let address = self.driver.current_url().await.map(|url| url.to_string()).unwrap_or_default();
                Err(error.context(format!("at {address}: {}", self.text().await.unwrap_or_default())))
            }
        }
    }

    /// The text that the page shows.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn text(&self) -> Result<String> {
        Ok(self.driver.find(By::Tag("body")).await?.text().await?)
    }

    /// Waits for the field of that name, and types into it.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn type_into(&self, name: &str, text: &str) -> Result<()> {
        Ok(self.field(name).await?.send_keys(text).await?)
    }

    /// Presses Enter in the field of that name.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn enter(&self, name: &str) -> Result<()> {
        Ok(self.field(name).await?.send_keys(Key::Enter + "").await?)
    }

    async fn field(&self, name: &str) -> Result<WebElement> {
        let find = async || self.driver.find(By::Name(name)).await.ok();
        match until(&format!("a field `{name}`"), Duration::from_secs(20), find).await {
            Ok(field) => Ok(field),
            Err(error) => Err(error.context(self.text().await.unwrap_or_default())),
        }
    }

    /// Saves what the window shows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        Ok(self.driver.screenshot(file).await?)
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When it does not answer any more.
    pub async fn quit(self) -> Result<()> {
        let outcome = self.driver.clone().quit().await;
        drop(self);
        Ok(outcome?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        for child in processes::children(self.process.id()) {
            _ = processes::signal(child, Signal::SIGKILL);
        }
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn end(mut process: Child) {
    _ = process.kill();
    _ = process.wait();
}

/// What `--ignore-certificate-errors-spki-list` wants to know of a server: base64 of SHA-256 of the public keys in the
/// chain that it shows, which our own client has verified against the local CA.
async fn keys(client: &Client, address: &str) -> Result<Vec<String>> {
    let stream = client.connect(&address.parse()?).await?;
    let chain = stream.get_ref().1.peer_certificates().context("a server without a certificate")?;
    chain.iter().map(fingerprint).collect()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Result<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).context("not a certificate")?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, parsed.public_key().raw);
    Ok(data_encoding::BASE64.encode(digest.as_ref()))
}
