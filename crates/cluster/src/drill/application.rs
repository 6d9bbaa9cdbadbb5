//! The application behind the drill's resource: two servers, each a process of its own, so that one
//! can be killed or stopped as any application's server can.
//!
//! They live no longer than the drill: the system kills them with it, also where they are stopped.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use evergate_process::http_client::HttpClient;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::DrillError;

/// What the application answers to everything.
pub(super) const ANSWER: &str = "the drill's application\n";
/// The hidden command that serves; its arguments are where it listens, and whose child it is.
pub const COMMAND: &str = "drill-application";
/// Where it tells how many requests it has answered.
const SERVED: &str = "/served";
const START: Duration = Duration::from_secs(10);

/// A server of the application.
#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    pub(super) address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts one; port 0 is any that is free.
    pub(super) async fn start(program: &Path, listen: SocketAddr) -> Result<Self, DrillError> {
        let failed = DrillError::Application;
        let mut child = Command::new(program)
            .args([COMMAND, "--listen", &listen.to_string(), "--parent", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mute = || failed(std::io::ErrorKind::UnexpectedEof.into());
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(mute)?).lines();
        let line = timeout(START, lines.next_line()).await.map_err(|_| mute())?.map_err(failed)?;
        let address = line.and_then(|line| line.parse().ok()).ok_or_else(mute)?;
        Ok(Self { program: program.to_owned(), address, child })
    }

    /// As the configuration and the metrics name it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Sends it a signal. A process that has ended keeps its number until it is waited for.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), DrillError> {
        let failed = |source| DrillError::Strike { instance: self.url(), source };
        let pid = self.child.id().ok_or(failed(nix::Error::ESRCH))?;
        kill(Pid::from_raw(pid.cast_signed()), signal).map_err(failed)
    }

    /// Starts it again where it was.
    pub(super) async fn restart(&mut self) -> Result<(), DrillError> {
        self.child.wait().await.map_err(DrillError::Application)?;
        *self = Self::start(&self.program, self.address).await?;
        Ok(())
    }

    /// How many requests it has answered.
    pub(super) async fn served(&self) -> Result<u64, DrillError> {
        let failed = |why: String| DrillError::Metrics { instance: self.url(), why };
        let request = Request::get(format!("{}{SERVED}", self.url())).body(Bytes::new());
        let request = request.map_err(|error| failed(error.to_string()))?;
        let client = HttpClient::plain().within(Duration::from_secs(2));
        let answer = client.send(request).await.map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        text.trim().parse().map_err(|_| failed(format!("`{text}` is no number")))
    }
}

/// Serves until it is killed, at the latest with its parent; its address is the first line of its
/// output.
///
/// # Errors
/// When it cannot listen, or its parent is gone already.
pub async fn serve(listen: SocketAddr, parent: u32) -> std::io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw().cast_unsigned() != parent {
        return Err(std::io::Error::other("the drill is gone"));
    }
    let listener = TcpListener::bind(listen).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    serve_from(listener).await
}

async fn serve_from(listener: TcpListener) -> std::io::Result<()> {
    let served = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let served = Arc::clone(&served);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&request, &served);
                async { Ok::<_, Infallible>(answer) }
            });
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection to the drill's application ended");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

fn answer(request: &Request<Incoming>, served: &AtomicU64) -> Response<Full<Bytes>> {
    if request.uri().path() == SERVED {
        return Response::new(Full::from(served.load(Ordering::Relaxed).to_string()));
    }
    served.fetch_add(1, Ordering::Relaxed);
    Response::new(Full::from(ANSWER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_everything_and_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asking = async {
            for (path, answer) in [("/a", ANSWER), ("/b?c", ANSWER), (SERVED, "2"), (SERVED, "2")] {
                let request = Request::get(format!("http://{address}{path}")).body(Bytes::new()).unwrap();
                assert_eq!(HttpClient::plain().send(request).await.unwrap().body(), answer, "{path}");
            }
        };
        tokio::select! {
            () = asking => {}
            ended = serve_from(listener) => panic!("{ended:?}"),
        }
    }

    #[tokio::test]
    async fn it_does_not_serve_for_a_stranger() {
        let refused = serve("127.0.0.1:0".parse().unwrap(), std::process::id()).await;
        assert!(refused.unwrap_err().to_string().contains("gone"));
    }
}
