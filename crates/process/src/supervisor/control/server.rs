//! The supervisor's side of the control socket: takes connections of its own user, hands requests
//! on, and writes what is said. What requests mean is not known here.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::unistd::getuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::{Answer, Message, Request};
use crate::lifecycle::Lifecycle;

/// A longer line is no request.
const LONGEST_LINE: u64 = 4096;
/// A client that does not read so many messages is left.
const UNREAD: usize = 256;

/// What a connection brings.
#[derive(Debug)]
pub(in super::super) enum Heard {
    /// It began; what is said to it goes here.
    Opened { connection: u64, to: mpsc::Sender<Message> },
    /// It asks.
    Asked { connection: u64, request: Request },
    /// It ended.
    Closed { connection: u64 },
}

/// Takes connections until the process stops.
pub(in super::super) async fn serve(
    lifecycle: Lifecycle,
    listener: UnixListener,
    heard: mpsc::Sender<Heard>,
) {
    let numbers = AtomicU64::new(0);
    loop {
        match listener.accept().await {
            Ok((stream, _)) if is_own_user(&stream) => {
                let connection = numbers.fetch_add(1, Ordering::Relaxed);
                lifecycle.spawn_until_stop("control", converse(connection, stream, heard.clone()));
            }
            Ok(_) => tracing::warn!("refused another user at the control socket"),
            Err(error) => {
                tracing::warn!(%error, "the control socket took no connection");
                // Out of descriptors, most likely: accepting again at once would only spin.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

fn is_own_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == getuid().as_raw() || peer.uid() == 0)
}

async fn converse(connection: u64, stream: UnixStream, heard: mpsc::Sender<Heard>) {
    let (to, said) = mpsc::channel(UNREAD);
    if heard.send(Heard::Opened { connection, to: to.clone() }).await.is_err() {
        return;
    }
    let (reader, writer) = stream.into_split();
    let ended = tokio::select! {
        read = read(connection, BufReader::new(reader), &heard, &to) => read,
        written = write(writer, said) => written,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control socket broke");
    }
    let _ = heard.send(Heard::Closed { connection }).await;
}

async fn read(
    connection: u64,
    mut reader: impl AsyncBufReadExt + Unpin,
    heard: &mpsc::Sender<Heard>,
    to: &mpsc::Sender<Message>,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        match serde_json::from_slice(&line) {
            Ok(request) => {
                if heard.send(Heard::Asked { connection, request }).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) => {
                let refused = Answer::Refused { why: format!("not a request: {error}") };
                if to.send(Message::Answer(refused)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

async fn write(mut writer: impl AsyncWriteExt + Unpin, mut said: mpsc::Receiver<Message>) -> io::Result<()> {
    while let Some(message) = said.recv().await {
        let mut line = serde_json::to_vec(&message)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
    }
    Ok(())
}
