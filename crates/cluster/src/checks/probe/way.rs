//! Whether a connection or a datagram gets through to another machine.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::super::doors::Seen;

/// A connection that takes longer is dropped somewhere.
const CONNECTING: Duration = Duration::from_secs(2);
/// Datagrams that are sent, one after the other: the first may go before the peer's hardware address is known, and
/// machines send few refusals in a second.
const DATAGRAMS: usize = 3;
/// How long a refusal of one is waited for.
const REFUSING: Duration = Duration::from_millis(600);

/// Connects, and hangs up at once.
pub async fn connect(to: SocketAddr) -> Seen {
    match timeout(CONNECTING, TcpStream::connect(to)).await {
        Ok(Ok(_)) => Seen::Answer,
        Ok(Err(error)) => refused(&error),
        Err(_) => Seen::Silence,
    }
}

/// Sends empty datagrams, which say nothing to anybody.
pub async fn send(to: SocketAddr) -> Seen {
    let from: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    match sent(SocketAddr::new(from, 0), to).await {
        Ok(seen) => seen,
        Err(error) => refused(&error),
    }
}

async fn sent(from: SocketAddr, to: SocketAddr) -> Result<Seen, Error> {
    let socket = UdpSocket::bind(from).await?;
    // Connected: the kernel hands over what comes back for it, refusals included.
    socket.connect(to).await?;
    for _ in 0..DATAGRAMS {
        socket.send(&[]).await?;
        if let Ok(answer) = timeout(REFUSING, socket.recv(&mut [0; 16])).await {
            return answer.map(|_| Seen::Answer);
        }
    }
    Ok(Seen::Silence)
}

fn refused(error: &Error) -> Seen {
    match error.kind() {
        ErrorKind::ConnectionRefused => Seen::Refusal,
        ErrorKind::TimedOut => Seen::Silence,
        ErrorKind::PermissionDenied => Seen::Forbidden,
        // Whoever closes at once was there.
        ErrorKind::ConnectionReset => Seen::Answer,
        _ => {
            let why = error.to_string();
            Seen::Unreachable(why.split(" (os error").next().unwrap_or(&why).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_and_who_does_not_are_told_apart_over_tcp() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connect(address).await, Seen::Answer);
        drop(listener);
        assert_eq!(connect(address).await, Seen::Refusal);
    }

    #[tokio::test]
    async fn over_udp_a_refusal_a_silent_listener_and_an_answer_are_told_apart() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(send(address).await, Seen::Silence, "it listens, and says nothing");
        let answering = async {
            // Those of the first round came before.
            loop {
                let (_, from) = listener.recv_from(&mut [0; 16]).await.unwrap();
                // Who asked before is gone, and refuses.
                drop(listener.send_to(b"yes", from).await);
            }
        };
        let seen = tokio::select! { seen = send(address) => seen, () = answering => Seen::Silence };
        assert_eq!(seen, Seen::Answer);
        drop(listener);
        assert_eq!(send(address).await, Seen::Refusal);
    }

    #[tokio::test]
    async fn ipv6_is_asked_as_well() {
        let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
        let address = listener.local_addr().unwrap();
        assert_eq!(connect(address).await, Seen::Answer);
        assert_eq!(send(address).await, Seen::Refusal);
    }

    #[test]
    fn what_the_kernel_says_is_told_apart() {
        let of = |code| refused(&Error::from_raw_os_error(code));
        let codes = [nix::libc::EPERM, nix::libc::EACCES];
        assert!(codes.into_iter().all(|code| of(code) == Seen::Forbidden));
        assert_eq!(of(nix::libc::ETIMEDOUT), Seen::Silence);
        assert!(matches!(of(nix::libc::EHOSTUNREACH), Seen::Unreachable(text) if text == "No route to host"));
        assert!(matches!(of(nix::libc::ENETUNREACH), Seen::Unreachable(_)));
    }
}
