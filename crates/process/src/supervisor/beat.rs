//! One question to a child whether it lives, over a connection that is kept.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const QUESTION: &[u8] = b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// What an answer ends with: nothing more is to come of it.
const END: &[u8] = b"live\n";
/// Longer than any child may be silent.
const LIMIT: Duration = Duration::from_secs(60);

/// Who is asked.
#[derive(Debug)]
pub(super) struct Beat {
    pub(super) child: String,
    pub(super) pid: u32,
    pub(super) address: String,
    /// The connection of the last time, if it can be used again.
    pub(super) stream: Option<TcpStream>,
    /// Whether it answered; else its address refused.
    pub(super) is_live: bool,
}

impl Beat {
    /// Asks; resolves when anything is answered, or when the address refuses. Nothing, where nothing
    /// came of it for so long that nobody waits any more.
    pub(super) async fn ask(mut self) -> Option<Self> {
        let stream = self.stream.take();
        let asked = tokio::time::timeout(LIMIT, ask(stream, &self.address)).await.ok()?;
        self.is_live = asked.is_ok();
        self.stream = asked.ok().flatten();
        Some(self)
    }
}

/// Any answer will do; the connection comes back if it can be used again.
async fn ask(stream: Option<TcpStream>, address: &str) -> io::Result<Option<TcpStream>> {
    let mut stream = match stream {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    stream.write_all(QUESTION).await?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await?;
    let answer = answer.get(..length).unwrap_or_default();
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer.ends_with(END).then_some(stream))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn the_connection_is_kept_and_a_refusal_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().route("/live", get(|| async { "live\n" }));
        let serving = axum::serve(listener, router).into_future();
        let beat =
            Beat { child: String::new(), pid: 1, address: address.clone(), stream: None, is_live: false };
        let asking = async {
            let beat = beat.ask().await.unwrap();
            assert!(beat.is_live);
            let used = beat.stream.as_ref().unwrap().local_addr().unwrap();
            let beat = beat.ask().await.unwrap();
            assert!(beat.is_live);
            assert_eq!(beat.stream.as_ref().unwrap().local_addr().unwrap(), used);
            beat
        };
        let beat = tokio::select! {
            beat = asking => beat,
            _ = serving => panic!("the server ended"),
        };
        let beat = Beat { stream: None, ..beat }.ask().await.unwrap();
        assert!(!beat.is_live, "nobody listens any more");
    }
}
