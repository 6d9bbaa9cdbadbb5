//! A mail server of a few lines: enough of RFC 5321 for one client, and faults on demand.

use std::sync::{Arc, Mutex};

use evergate_model::configuration::{MailServer, MailTls};
use evergate_process::Lifecycle;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server answers to `RCPT TO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    RefusesForGood,
    RefusesForNow,
}

/// A running server; its messages are what came after `DATA`.
#[derive(Clone)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    messages: Vec<String>,
    commands: Vec<String>,
}

impl Server {
    pub async fn start(lifecycle: &Lifecycle, mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { mood, messages: Vec::new(), commands: Vec::new() };
        let server = Self { port, state: Arc::new(Mutex::new(state)) };
        let (accepting, inner) = (server.clone(), lifecycle.clone());
        lifecycle.spawn_until_stop("mail server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                inner.spawn_until_stop("dialogue", async move {
                    let _ = server.talk(stream).await;
                });
            }
        });
        server
    }

    pub fn settings(&self, tls: MailTls) -> MailServer {
        settings(self.port, tls)
    }

    pub fn messages(&self) -> Vec<String> {
        self.state.lock().unwrap().messages.clone()
    }

    pub fn commands(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 test ESMTP\r\n").await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let command = std::mem::take(&mut line).trim_end().to_owned();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            self.state.lock().unwrap().commands.push(command);
            let answer = match verb.as_str() {
                "EHLO" => "250-test\r\n250 8BITMIME",
                "RCPT" => self.recipient(),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let message = read_message(&mut stream).await?;
                    self.state.lock().unwrap().messages.push(message);
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn recipient(&self) -> &'static str {
        match self.state.lock().unwrap().mood {
            Mood::Takes => "250 ok",
            Mood::RefusesForGood => "550 no such box",
            Mood::RefusesForNow => "451 later",
        }
    }
}

async fn read_message(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line == ".\r\n" {
            return Ok(message);
        }
        if line.is_empty() {
            // A message whose end does not come is none (RFC 5321, section 4.1.1.4).
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        message.push_str(&line);
    }
}

/// The settings of a server at this port of this machine.
pub fn settings(port: u16, tls: MailTls) -> MailServer {
    MailServer { host: "127.0.0.1".to_owned(), port, tls, user: None, password_file: None }
}

/// A port at which nobody listens.
pub async fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}
