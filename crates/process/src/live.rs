//! Whether a process answers: what the health check of a container asks.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};

use crate::http_client::{HttpClient, HttpError};

/// The engine's own limit is 3 s (`render` of the `cluster` crate).
const LIMIT: Duration = Duration::from_secs(2);

/// Why a process is not taken to live.
#[derive(Debug, thiserror::Error)]
pub enum NotLive {
    /// The address is not one.
    #[error("`{0}` is not an address; write `http://HOST:PORT/PATH`")]
    Address(String),
    /// There is no runtime.
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    /// There is no answer.
    #[error("no answer")]
    Silent(#[from] HttpError),
    /// The answer is a refusal.
    #[error("`{url}` answers {status}")]
    Refused {
        /// What was asked.
        url: String,
        /// What it answers.
        status: StatusCode,
    },
}

/// Asks a URL once, without TLS; an answer of 200 to 299 within 2 s is success.
///
/// # Errors
/// When there is none.
pub fn ask(url: &str) -> Result<(), NotLive> {
    let address = || NotLive::Address(url.to_owned());
    let request = Request::get(url).body(Bytes::new()).map_err(|_| address())?;
    if request.uri().scheme_str() != Some("http") {
        return Err(address());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(NotLive::Runtime)?;
    let status = runtime.block_on(HttpClient::plain().within(LIMIT).send(request))?.status();
    if status.is_success() { Ok(()) } else { Err(NotLive::Refused { url: url.to_owned(), status }) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Asks a server that answers with this head, or closes the connection.
    fn ask_one_that_answers(head: &str) -> Result<(), NotLive> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/live", listener.local_addr().unwrap());
        let head = head.to_owned();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 1024]).unwrap();
            assert!(read > 0);
            stream.write_all(head.as_bytes()).unwrap();
        });
        let asked = ask(&url);
        serving.join().unwrap();
        asked
    }

    #[test]
    fn only_a_good_answer_is_a_sign_of_life() {
        ask_one_that_answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        let refused = ask_one_that_answers("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
        assert!(matches!(refused, Err(NotLive::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. })));
        assert!(matches!(ask_one_that_answers(""), Err(NotLive::Silent(_))));
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(&format!("http://{nobody}/live")), Err(NotLive::Silent(_))));
        for wrong in ["https://127.0.0.1:1/live", "127.0.0.1:1", "http://"] {
            assert!(matches!(ask(wrong), Err(NotLive::Address(_))), "{wrong}");
        }
    }
}
