//! Watches the bytes of an HTTP/1.1 connection for anything that two servers could read in two
//! ways: the stuff of request smuggling (RFC 9112 sections 2.2, 5.2, 6.1, 6.3, 7.1).
//!
//! hyper accepts a bare LF, ignores `Content-Length` beside `Transfer-Encoding`, and takes equal
//! repeated lengths. This follows the framing on its own, byte by byte, and refuses all of it
//! before hyper sees it. Pure: bytes in, a verdict out.

/// The longest request head, in bytes.
pub const LONGEST_HEAD: usize = 32 * 1024;
/// The longest line of a chunked body that is not data: a size with its extensions.
const LONGEST_CHUNK_LINE: usize = 256;

/// Why the bytes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A line ends with LF alone.
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// A CR inside of a line.
    #[error("a carriage return stands inside a line")]
    BareCarriageReturn,
    /// A field line begins with white space, or there is white space before its colon.
    #[error("a header line is folded, or has no name directly before its colon")]
    BadField,
    /// `Content-Length` is no number, or stands there twice.
    #[error("the content length is not one number")]
    BadLength,
    /// `Transfer-Encoding` is anything but one `chunked`.
    #[error("the transfer encoding is not `chunked`")]
    BadEncoding,
    /// Both of them.
    #[error("there is a content length beside a transfer encoding")]
    LengthAndEncoding,
    /// A chunk's size or end is malformed.
    #[error("a chunk is malformed")]
    BadChunk,
    /// A head or a chunk's line is too long.
    #[error("the head is too long")]
    TooLong,
}

/// Where the bytes stop being acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// The index of the offending byte among those just followed; at the latest the last of them.
    pub at: usize,
    /// What is wrong.
    pub error: FramingError,
}

/// Where on the connection the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No byte of the next request has come.
    Between,
    /// In a request's head.
    Head,
    /// In a request's body.
    Body,
}

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    expected: Expected,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// The bytes of this head, or of these trailers, so far.
    length: usize,
    is_chunked: bool,
    content_length: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expected {
    #[default]
    RequestLine,
    Field,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

impl Framing {
    /// Where the next byte belongs.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.expected {
            Expected::RequestLine if self.length == 0 => Phase::Between,
            Expected::RequestLine | Expected::Field => Phase::Head,
            _ => Phase::Body,
        }
    }

    /// Follows the next bytes of the connection.
    ///
    /// # Errors
    /// At the first byte that must not be passed on; nothing after it may be followed.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.expected {
                Expected::Body(left) => self.skip(left, rest.len(), Expected::Body, Expected::RequestLine),
                Expected::Chunk(left) => self.skip(left, rest.len(), Expected::Chunk, Expected::ChunkEnd),
                _ => self.take_line(rest).map_err(|(offset, error)| Violation { at: at + offset, error })?,
            };
        }
        Ok(())
    }

    /// Passes over body bytes; how many.
    fn skip(&mut self, left: u64, available: usize, same: impl Fn(u64) -> Expected, next: Expected) -> usize {
        let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(available);
        let left = left - skipped as u64;
        self.expected = if left == 0 { next } else { same(left) };
        skipped
    }

    /// Follows one line, or what has come of it; how many bytes that were.
    fn take_line(&mut self, rest: &[u8]) -> Result<usize, (usize, FramingError)> {
        let end = memchr::memchr(b'\n', rest);
        let taken = end.map_or(rest.len(), |end| end + 1);
        let last = taken - 1;
        self.length += taken;
        if self.length > self.longest() {
            return Err((last, FramingError::TooLong));
        }
        let part = rest.get(..end.unwrap_or(taken)).unwrap_or_default();
        if end.is_none() {
            self.begun.extend_from_slice(part);
        } else if self.begun.is_empty() {
            self.end_line(part).map_err(|error| (last, error))?;
        } else {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(part);
            self.end_line(&line).map_err(|error| (last, error))?;
        }
        Ok(taken)
    }

    const fn longest(&self) -> usize {
        match self.expected {
            Expected::ChunkSize | Expected::ChunkEnd => LONGEST_CHUNK_LINE,
            _ => LONGEST_HEAD,
        }
    }

    /// A whole line, without its LF.
    fn end_line(&mut self, line: &[u8]) -> Result<(), FramingError> {
        let line = line.strip_suffix(b"\r").ok_or(FramingError::BareLineFeed)?;
        if memchr::memchr(b'\r', line).is_some() {
            return Err(FramingError::BareCarriageReturn);
        }
        match self.expected {
            // Empty lines before a request are skipped (RFC 9112 section 2.2).
            Expected::RequestLine if line.is_empty() => {}
            Expected::RequestLine => {
                self.is_chunked = false;
                self.content_length = None;
                self.expected = Expected::Field;
            }
            Expected::Field if line.is_empty() => self.end_head()?,
            Expected::Field => self.field(line)?,
            Expected::ChunkSize => self.chunk_size(line)?,
            Expected::ChunkEnd if line.is_empty() => self.expect(Expected::ChunkSize),
            Expected::ChunkEnd => return Err(FramingError::BadChunk),
            Expected::Trailer if line.is_empty() => self.expect(Expected::RequestLine),
            Expected::Trailer => {
                field_name(line)?;
            }
            Expected::Body(_) | Expected::Chunk(_) => {}
        }
        Ok(())
    }

    const fn expect(&mut self, expected: Expected) {
        self.length = 0;
        self.expected = expected;
    }

    fn end_head(&mut self) -> Result<(), FramingError> {
        let next = match (self.is_chunked, self.content_length) {
            (true, Some(_)) => return Err(FramingError::LengthAndEncoding),
            (true, None) => Expected::ChunkSize,
            (false, None | Some(0)) => Expected::RequestLine,
            (false, Some(length)) => Expected::Body(length),
        };
        self.expect(next);
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), FramingError> {
        let (name, value) = field_name(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value.trim_ascii(), 10).ok_or(FramingError::BadLength)?;
            if self.content_length.replace(length).is_some() {
                return Err(FramingError::BadLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if !is_chunked || std::mem::replace(&mut self.is_chunked, true) {
                return Err(FramingError::BadEncoding);
            }
        }
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<(), FramingError> {
        let size = line.split(|c| *c == b';').next().unwrap_or_default();
        let size = number(size, 16).ok_or(FramingError::BadChunk)?;
        self.expect(if size == 0 { Expected::Trailer } else { Expected::Chunk(size) });
        Ok(())
    }
}

/// The name and the value of a field line.
fn field_name(line: &[u8]) -> Result<(&[u8], &[u8]), FramingError> {
    let colon = memchr::memchr(b':', line).ok_or(FramingError::BadField)?;
    let (name, value) = line.split_at_checked(colon).ok_or(FramingError::BadField)?;
    if name.is_empty() || name.iter().any(|c| !c.is_ascii_graphic()) {
        return Err(FramingError::BadField);
    }
    Ok((name, value.get(1..).unwrap_or_default()))
}

/// A number of digits only, at most 15 of them; no sign, no white space.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(|c| char::from(*c).is_digit(radix)) {
        return None;
    }
    std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, radix).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(bytes: &[u8]) -> Result<(), FramingError> {
        Framing::default().follow(bytes).map_err(|violation| violation.error)
    }

    #[test]
    fn requests_in_a_row_are_followed() {
        let mut framing = Framing::default();
        let requests = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
            POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\n\n\n\
            POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            a;x=y\r\n0123456\r\n9\r\n0\r\nTrailer: x\r\n\r\n\
            GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        framing.follow(requests).unwrap();
        assert_eq!(framing.phase(), Phase::Between);
        framing.follow(b"G").unwrap();
        assert_eq!(framing.phase(), Phase::Head);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use FramingError::{
            BadChunk, BadEncoding, BadField, BadLength, BareCarriageReturn, BareLineFeed, LengthAndEncoding,
        };
        for (head, error) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", BareCarriageReturn),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", BadField),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", BadField),
            ("GET / HTTP/1.1\r\n: a\r\n\r\n", BadField),
            ("GET / HTTP/1.1\r\nx\r\n\r\n", BadField),
            ("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", BadLength),
            ("POST / HTTP/1.1\r\nContent-Length: 3,3\r\n\r\n", BadLength),
            ("POST / HTTP/1.1\r\nContent-Length: 0x3\r\n\r\n", BadLength),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\n", BadLength),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", BadLength),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", BadEncoding),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n", BadEncoding),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", BadEncoding),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", BadEncoding),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                BadEncoding,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", LengthAndEncoding),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n", BadChunk),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", BadChunk),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\n", BareLineFeed),
        ] {
            assert_eq!(verdict(head.as_bytes()), Err(error), "{head:?}");
        }
        assert_eq!(verdict(&vec![b'a'; LONGEST_HEAD + 1]), Err(FramingError::TooLong));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(
            bytes in "(GET / HTTP/1.1\r\n|Host: a\r\n|Content-Length: [0-9]\r\n|\r\n|\r|\n|[a-f0-9:]{1,3}|Transfer-Encoding: chunked\r\n){0,12}",
            cut in 0usize..80,
        ) {
            let bytes = bytes.as_bytes();
            let cut = cut.min(bytes.len());
            let mut parts = Framing::default();
            let in_parts = parts.follow(&bytes[..cut])
                .and_then(|()| parts.follow(&bytes[cut..]))
                .map_err(|violation| violation.error);
            prop_assert_eq!(in_parts, verdict(bytes));
        }
    }
}
