//! HTTP in the clear at a port that speaks HTTPS: who typed `http://` is told so. nginx does the same with its status
//! 497, which is 400 on the wire.

use std::time::Duration;

use evergate_model::{Host, NormalPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::opening::{Refused, is_header};

/// The longest head that is read; of a longer one nothing is answered.
const LONGEST: usize = 8192;
/// The most that is read away after the answer: a socket closed with unread bytes is reset, and the answer lost.
const LINGER: usize = 64 * 1024;

/// Answers a request that came without TLS, and ends the connection; both within `limit`.
///
/// # Errors
/// When what came is a PROXY header, or no request.
pub(crate) async fn answer(stream: &mut TcpStream, limit: Duration) -> Result<(), Refused> {
    let answering = async {
        let head = head(stream).await?;
        if let Some(answer) = answer_to(&head) {
            stream.write_all(answer.as_bytes()).await?;
            linger(stream).await?;
        }
        Ok(())
    };
    // Whoever sends a request in the clear too slowly is owed nothing.
    tokio::time::timeout(limit, answering).await.unwrap_or(Ok(()))
}

/// The bytes to the end of a head, or as many of them as come.
async fn head(stream: &mut TcpStream) -> Result<Vec<u8>, Refused> {
    let mut head = Vec::with_capacity(1024);
    let mut rest = (&mut *stream).take(LONGEST as u64);
    while rest.read_buf(&mut head).await? > 0 {
        if is_header(&head) {
            return Err(Refused::Unlisted);
        }
        // No request begins otherwise, so that nothing is waited for.
        if !head.first().is_some_and(u8::is_ascii_uppercase) || ends(&head) {
            break;
        }
    }
    Ok(head)
}

fn ends(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"\r\n\r\n").is_some()
}

/// The answer; none to what is no request of HTTP/1.
fn answer_to(head: &[u8]) -> Option<String> {
    if !ends(head) {
        return None;
    }
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with("HTTP/1.") {
        return None;
    }
    let mut text = "This port speaks HTTPS.\n".to_owned();
    if matches!(method, "GET" | "HEAD")
        && let Some(address) = address(target, lines)
    {
        text = format!("{text}{address}\n");
    }
    let body = if method == "HEAD" { "" } else { &text };
    Some(format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        text.len()
    ))
}

/// Where the same is over HTTPS, if the request says it in one way.
fn address<'a>(target: &str, lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut hosts = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    });
    let (authority, None) = (hosts.next()?, hosts.next()) else { return None };
    let host = Host::from_authority(authority).ok()?;
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let path = NormalPath::new(target).ok()?;
    Some(format!("https://{host}{port}{}", path.path_and_query()))
}

async fn linger(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER as u64), &mut tokio::io::sink()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_over_https_is_told_where_it_is_clear() {
        for (head, address) in [
            (
                "GET /a?b=c HTTP/1.1\r\nHost: wiki.example.com:8443\r\n\r\n",
                "https://wiki.example.com:8443/a?b=c\n",
            ),
            ("GET / HTTP/1.1\r\nhOST: Wiki.example.com\r\n\r\n", "https://wiki.example.com/\n"),
            ("GET / HTTP/1.1\r\n\r\n", ""),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ""),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ""),
            ("GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ] {
            let answer = answer_to(head.as_bytes()).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert!(
                answer.ends_with(&format!("\r\n\r\nThis port speaks HTTPS.\n{address}")),
                "{head}: {answer}"
            );
        }
        let answer = answer_to(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn what_is_no_request_is_not_answered() {
        for head in
            ["GET / HTTP/1.1\r\nHost: a\r\n", "GET /\r\n\r\n", "GET / HTTP/2\r\n\r\n", "A B C D\r\n\r\n"]
        {
            assert_eq!(answer_to(head.as_bytes()), None, "{head}");
        }
    }
}
