//! The client of the control socket.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{Answer, Event, Fault, Message, Request, socket};

/// An answer that takes longer will not come.
const LIMIT: Duration = Duration::from_secs(10);

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens there.
    #[error("no supervisor can be asked in `{}`", directory.display())]
    Connect {
        /// Where.
        directory: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The supervisor said no.
    #[error("the supervisor refuses: {0}")]
    Refused(String),
    /// The supervisor is gone, or does not answer.
    #[error("the supervisor does not answer")]
    Lost(#[source] io::Error),
    /// What came is not what a supervisor says.
    #[error("what the supervisor says is not understood")]
    Message(#[source] serde_json::Error),
}

/// A connection to the supervisor. When it is dropped, whatever it had stopped goes on.
#[derive(Debug)]
pub struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    events: VecDeque<Event>,
}

impl Client {
    /// Connects to the supervisor of the installation in `directory`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connect(directory: &Path) -> Result<Self, ControlError> {
        let stream = socket::connect(directory)
            .await
            .map_err(|source| ControlError::Connect { directory: directory.to_owned(), source })?;
        let (reader, writer) = stream.into_split();
        Ok(Self { lines: BufReader::new(reader).lines(), writer, events: VecDeque::new() })
    }

    /// Strikes a child; answers its process when the signal has been delivered. A hang lasts as long
    /// as said, in whole seconds, 60 at most, or until it is healed or this client is dropped.
    ///
    /// # Errors
    /// When it was not struck.
    pub async fn strike(
        &mut self,
        child: &str,
        fault: Fault,
        lasts: Option<Duration>,
    ) -> Result<u32, ControlError> {
        let seconds = lasts.map(|lasts| lasts.as_secs());
        match self.ask(&Request::Strike { child: child.to_owned(), fault, seconds }).await? {
            Answer::Struck { pid, .. } => Ok(pid),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets a child go on.
    ///
    /// # Errors
    /// When that cannot be said to the supervisor.
    pub async fn heal(&mut self, child: &str) -> Result<(), ControlError> {
        self.ask(&Request::Heal { child: child.to_owned() }).await.map(drop)
    }

    /// Ends a child that may be absent, until the next start of the supervisor.
    ///
    /// # Errors
    /// When there is no such child, or it may not be absent.
    pub async fn end(&mut self, child: &str) -> Result<(), ControlError> {
        self.ask(&Request::End { child: child.to_owned() }).await.map(drop)
    }

    /// The next event, when it comes. May be dropped while it waits; nothing is lost by that.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub async fn event(&mut self) -> Result<Event, ControlError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Message::Event(event) = self.read().await? {
                return Ok(event);
            }
        }
    }

    /// All events that have come until now. If the supervisor is gone, there are none.
    pub fn arrived(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.event().now_or_never()?.ok()).collect()
    }

    async fn ask(&mut self, request: &Request) -> Result<Answer, ControlError> {
        let answer = tokio::time::timeout(LIMIT, self.exchange(request)).await;
        match answer.map_err(|_| ControlError::Lost(io::ErrorKind::TimedOut.into()))?? {
            Answer::Refused { why } => Err(ControlError::Refused(why)),
            answer => Ok(answer),
        }
    }

    async fn exchange(&mut self, request: &Request) -> Result<Answer, ControlError> {
        let mut line = serde_json::to_vec(request).map_err(ControlError::Message)?;
        line.push(b'\n');
        self.writer.write_all(&line).await.map_err(ControlError::Lost)?;
        loop {
            match self.read().await? {
                Message::Answer(answer) => return Ok(answer),
                Message::Event(event) => self.events.push_back(event),
            }
        }
    }

    async fn read(&mut self) -> Result<Message, ControlError> {
        let line = self.lines.next_line().await.map_err(ControlError::Lost)?;
        let line = line.ok_or_else(|| ControlError::Lost(io::ErrorKind::UnexpectedEof.into()))?;
        serde_json::from_str(&line).map_err(ControlError::Message)
    }
}

fn unexpected(answer: &Answer) -> ControlError {
    let text = format!("`{answer:?}` is no answer to what was asked");
    ControlError::Lost(io::Error::new(io::ErrorKind::InvalidData, text))
}
