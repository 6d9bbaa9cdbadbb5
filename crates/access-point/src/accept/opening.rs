//! The first bytes of a connection: whose it is, where a balancer brings it, and whether TLS begins.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use metrics::counter;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy_protocol::{self, Header, HeaderError, LINE, LONGEST, SIGNATURE};
use crate::record::counts::PROXY_REFUSED;

/// What a record of a TLS handshake begins with (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;

/// Who sent a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The client's address; a balancer's own where it does not say whom it brings.
    pub(crate) address: IpAddr,
    /// Whether that is the client's. A balancer's own connection is told whether this access point is ready, and
    /// nothing else: with the balancer's address a request would pass rules that are meant for the inside.
    pub(crate) is_named: bool,
}

/// How the bytes begin that are not the balancer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Like a TLS handshake.
    Handshake,
    /// Otherwise.
    Other,
}

/// Why a connection is closed without a word.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The client sent nothing, or is gone.
    #[error("the connection ended before it began")]
    Io(#[from] io::Error),
    /// A balancer did not bring a PROXY header that can be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It did not do so in time.
    #[error("the PROXY header took too long")]
    Slow,
    /// Somebody who is no balancer sent one.
    #[error("a PROXY header from an address that is not listed")]
    Unlisted,
}

impl Refused {
    /// Counts it, where it is about the header.
    pub(crate) fn count(&self) {
        let cause = match self {
            Self::Io(_) => return,
            Self::Header(HeaderError::Absent) => "absent",
            Self::Header(HeaderError::TooLong) => "too-long",
            Self::Header(HeaderError::Malformed(_)) => "malformed",
            Self::Slow => "slow",
            Self::Unlisted => "unlisted",
        };
        counter!(PROXY_REFUSED, "cause" => cause).increment(1);
    }
}

/// Reads the header of a connection from one of `balancers`, and no byte more; who the client is. A balancer that begins
/// with TLS asks for itself: checks of readiness do.
///
/// # Errors
/// When there is no header, within `limit`.
pub(crate) async fn client(
    stream: &mut TcpStream,
    peer: IpAddr,
    balancers: &[IpNet],
    limit: Duration,
) -> Result<Client, Refused> {
    if !balancers.iter().any(|network| network.contains(&peer)) {
        return Ok(Client { address: peer, is_named: true });
    }
    let own = Client { address: peer, is_named: false };
    let reading = async {
        if beginning(stream).await? == Beginning::Handshake {
            return Ok(own);
        }
        let client = header(stream).await?.client;
        Ok(client.map_or(own, |address| Client { address, is_named: true }))
    };
    tokio::time::timeout(limit, reading).await.unwrap_or(Err(Refused::Slow))
}

/// How the next bytes begin; none is taken.
///
/// # Errors
/// When there are none.
pub(crate) async fn beginning(stream: &TcpStream) -> io::Result<Beginning> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if first == [HANDSHAKE] => Ok(Beginning::Handshake),
        _ => Ok(Beginning::Other),
    }
}

/// Whether bytes from somebody who is no balancer are a PROXY header.
pub(crate) fn is_header(bytes: &[u8]) -> bool {
    bytes.starts_with(LINE) || bytes.starts_with(SIGNATURE)
}

/// Takes exactly the header. What is looked at is part of it as long as it is not whole, so that all of that is taken,
/// and each look waits for more.
async fn header(stream: &mut TcpStream) -> Result<Header, Refused> {
    let mut buffer = vec![0; LONGEST];
    let mut taken = 0;
    loop {
        let looked = stream.peek(buffer.get_mut(taken..).unwrap_or_default()).await?;
        if looked == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let seen = buffer.get(..taken + looked).unwrap_or_default();
        let header = proxy_protocol::read(seen)?;
        let end = header.map_or(taken + looked, |header| header.length);
        stream.read_exact(buffer.get_mut(taken..end).unwrap_or_default()).await?;
        taken = end;
        if let Some(header) = header {
            return Ok(header);
        }
    }
}
