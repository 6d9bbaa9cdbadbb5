//! A WebSocket through an access point.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::Client;

/// An open WebSocket.
pub struct WebSocket(WebSocketStream<TlsStream<TcpStream>>);

impl WebSocket {
    /// Opens one at an `https://` address, with the client's cookies.
    ///
    /// # Errors
    /// When the server does not agree.
    pub async fn open(client: &Client, url: &str) -> Result<Self> {
        let uri: Uri = url.parse()?;
        let stream = client.connect(&uri).await?;
        let mut request = url.replacen("https", "wss", 1).into_client_request()?;
        let cookies = client.cookie_header(uri.host().context("no host")?);
        request.headers_mut().insert("cookie", cookies.parse()?);
        let (socket, _) = client_async(request, stream).await.context("no WebSocket")?;
        Ok(Self(socket))
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn say(&mut self, text: &str) -> Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// The next text, within 5 s.
    ///
    /// # Errors
    /// When none comes or the connection is closed.
    pub async fn hear(&mut self) -> Result<String> {
        loop {
            match timeout(Duration::from_secs(5), self.0.next()).await? {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => bail!("closed: {other}"),
                Some(Err(error)) => return Err(error.into()),
                None => bail!("closed"),
            }
        }
    }
}
