//! The PROXY protocol, versions 1 and 2, as a receiver reads it: who the client of a connection is that a balancer
//! brings. Pure: bytes in, the address out. After HAProxy's specification, `doc/proxy-protocol.txt` (sections 2.1, 2.2).
//!
//! Of our own: of all that a header may say only the client's address is wanted, and what is not wanted is not kept. A
//! library would bring more, and leave to us what matters here: when no further byte is to be waited for.
//!
//! Stricter than the specification where that costs no sender: addresses and ports in their one form, TLVs that fill
//! the header exactly, TCP only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest header that is read, in bytes. Version 1 has 107 at most; in version 2 addresses and the TLVs that
/// balancers send (authority, unique id, TLS, the endpoint of a cloud) stay far below, while its length field could say
/// 64 KiB.
pub const LONGEST: usize = 2048;
/// The longest header of version 1, with its end of line (section 2.1).
const LONGEST_LINE: usize = 107;
/// What version 1 begins with.
pub const LINE: &[u8] = b"PROXY ";
/// What version 2 begins with.
pub const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Two IPv4 addresses and two ports.
const IPV4: usize = 12;
/// Two IPv6 addresses and two ports.
const IPV6: usize = 36;
/// Two paths of Unix sockets.
const UNIX: usize = 216;

/// A header, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The client's address. Absent where the header says nothing of an internet address: a balancer's own connection
    /// (`LOCAL`, `UNKNOWN`), a client on a Unix socket.
    pub client: Option<IpAddr>,
    /// How many bytes the header has; what follows is the client's.
    pub length: usize,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They begin otherwise.
    #[error("the connection does not begin with a PROXY header")]
    Absent,
    /// It says, or is, more than is read.
    #[error("the PROXY header is too long")]
    TooLong,
    /// It begins like one and does not go on like one.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
}

use HeaderError::{Absent, Malformed, TooLong};

/// Reads the header that `bytes` begin with; `None` while its end is not there yet. As soon as no further byte could
/// make it one, that is said.
///
/// # Errors
/// When the bytes are no header.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    if begins(bytes, LINE) {
        return read_line(bytes);
    }
    if begins(bytes, SIGNATURE) {
        return read_binary(bytes);
    }
    Err(Absent)
}

/// Whether `bytes` begin with `prefix`, as far as they go.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, wanted)| byte == wanted)
}

/// Version 1: a line of text.
fn read_line(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let bytes = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if bytes.len() < LONGEST_LINE { Ok(None) } else { Err(TooLong) };
    };
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (Some(b'\r'), None) if bytes.len() < LONGEST_LINE => return Ok(None),
        (Some(b'\r'), None) => return Err(TooLong),
        _ => return Err(Malformed("its line does not end with CR LF")),
    }
    let said = bytes.get(LINE.len()..end).unwrap_or_default();
    let said = std::str::from_utf8(said).map_err(|_| Malformed("it is no text"))?;
    Ok(Some(Header { client: client_of(said)?, length: end + 2 }))
}

/// The client in the words after `PROXY`.
fn client_of(said: &str) -> Result<Option<IpAddr>, HeaderError> {
    let mut words = said.split(' ');
    let protocol = words.next().unwrap_or_default();
    if protocol == "UNKNOWN" {
        // Whatever else the line says is to be ignored.
        return Ok(None);
    }
    let mut word = || words.next().ok_or(Malformed("it lacks addresses or ports"));
    let (source, target, source_port, target_port) = (word()?, word()?, word()?, word()?);
    if words.next().is_some() {
        return Err(Malformed("it goes on after the ports"));
    }
    port(source_port)?;
    port(target_port)?;
    let wrong = |_| Malformed("an address is none of its protocol");
    let source: IpAddr = match protocol {
        "TCP4" => {
            target.parse::<Ipv4Addr>().map_err(wrong)?;
            source.parse::<Ipv4Addr>().map_err(wrong)?.into()
        }
        "TCP6" => {
            target.parse::<Ipv6Addr>().map_err(wrong)?;
            source.parse::<Ipv6Addr>().map_err(wrong)?.into()
        }
        _ => return Err(Malformed("its protocol is not TCP4, TCP6 or UNKNOWN")),
    };
    possible(source).map(Some)
}

/// A port in its one form: digits without a zero before them.
fn port(text: &str) -> Result<(), HeaderError> {
    let is_plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    match text.parse::<u16>() {
        Ok(_) if is_plain => Ok(()),
        _ => Err(Malformed("a port is not a number from 0 to 65535")),
    }
}

/// Version 2: a length, addresses, TLVs.
fn read_binary(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let mut fixed = bytes.iter().copied().skip(SIGNATURE.len());
    let Some(command) = fixed.next() else { return Ok(None) };
    if command >> 4 != 2 {
        return Err(Malformed("its version is not 2"));
    }
    let is_proxied = match command & 0xf {
        0 => false,
        1 => true,
        _ => return Err(Malformed("its command is not LOCAL or PROXY")),
    };
    let Some(family) = fixed.next() else { return Ok(None) };
    let (Some(high), Some(low)) = (fixed.next(), fixed.next()) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST {
        return Err(TooLong);
    }
    let Some(said) = bytes.get(FIXED..length) else { return Ok(None) };
    // Of a LOCAL connection all that follows is to be ignored, the family as well.
    let client = if is_proxied { source_of(family, said)? } else { None };
    Ok(Some(Header { client, length }))
}

/// The client in the addresses of version 2.
fn source_of(family: u8, said: &[u8]) -> Result<Option<IpAddr>, HeaderError> {
    let short = Malformed("it is shorter than its addresses");
    let (source, addresses): (Option<IpAddr>, usize) = match family {
        0x00 => return Ok(None),
        0x11 => (Some(Ipv4Addr::from(*said.first_chunk::<4>().ok_or(short)?).into()), IPV4),
        0x21 => (Some(Ipv6Addr::from(*said.first_chunk::<16>().ok_or(short)?).into()), IPV6),
        0x31 => (None, UNIX),
        _ => return Err(Malformed("its family is not TCP over IPv4 or IPv6, or a Unix stream")),
    };
    tlvs(said.get(addresses..).ok_or(short)?)?;
    source.map(possible).transpose()
}

/// Type, length, value, again and again until nothing is left. What they say is not used.
fn tlvs(mut rest: &[u8]) -> Result<(), HeaderError> {
    while let Some(([_, high, low], values)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = values.get(length..).ok_or(Malformed("a TLV is longer than the header"))?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Malformed("half a TLV is left over")) }
}

/// An address that a client can have, IPv4 as IPv4.
fn possible(address: IpAddr) -> Result<IpAddr, HeaderError> {
    let address = address.to_canonical();
    if address.is_unspecified() || address.is_multicast() {
        return Err(Malformed("no client has that address"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
