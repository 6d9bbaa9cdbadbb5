//! Headers as balancers send them, and as others do.

use proptest::prelude::*;

use super::*;

fn binary(command: u8, family: u8, said: &[u8]) -> Vec<u8> {
    let length = u16::try_from(said.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, said].concat()
}

fn ipv4(tlvs: &[u8]) -> Vec<u8> {
    [&[192, 0, 2, 7, 10, 0, 0, 1, 0xc0, 0, 1, 0xbb], tlvs].concat()
}

fn ipv6(source: Ipv6Addr) -> Vec<u8> {
    [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0, 1, 0, 2]].concat()
}

fn client(bytes: &[u8]) -> Option<String> {
    let header = read(bytes).unwrap().expect("a whole header");
    assert_eq!(header.length, bytes.len());
    header.client.map(|client| client.to_string())
}

#[test]
fn the_client_of_a_header_is_the_one_it_names() {
    for (header, wanted) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 443\r\n".to_vec(), Some("192.0.2.7")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n".to_vec(), Some("2001:db8::7")),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n".to_vec(), Some("192.0.2.7")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff:f::1 ? whatever\r\n".to_vec(), None),
        (binary(0x21, 0x11, &ipv4(&[])), Some("192.0.2.7")),
        (binary(0x21, 0x11, &ipv4(b"\x01\0\x02h2\x04\0\0")), Some("192.0.2.7")),
        (binary(0x21, 0x21, &ipv6("2001:db8::7".parse().unwrap())), Some("2001:db8::7")),
        (binary(0x21, 0x21, &ipv6("::ffff:192.0.2.7".parse().unwrap())), Some("192.0.2.7")),
        (binary(0x21, 0x31, &[b'/'; UNIX]), None),
        (binary(0x21, 0x00, &[]), None),
        (binary(0x21, 0x00, b"whatever"), None),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &ipv4(&[])), None),
        (binary(0x20, 0xff, b"whatever"), None),
    ] {
        assert_eq!(client(&header).as_deref(), wanted, "{}", header.escape_ascii());
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 100], b"\r\n"].concat();
    let announced = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    for (bytes, error) in [
        (b"\x16\x03\x01".to_vec(), Absent),
        (b"GET / HTTP/1.1\r\n".to_vec(), Absent),
        (b"PROPFIND / HTTP/1.1\r\n".to_vec(), Absent),
        (b"proxy TCP4".to_vec(), Absent),
        (b"\r\n\r\n\0\r\nQUIX".to_vec(), Absent),
        (long, TooLong),
        (announced, TooLong),
    ] {
        assert_eq!(read(&bytes), Err(error), "{}", bytes.escape_ascii());
    }
    for bytes in [
        b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 443\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 443\r\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 49152\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 443 5\r\n".to_vec(),
        b"PROXY TCP4  192.0.2.7 10.0.0.1 49152 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.07 10.0.0.1 49152 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 049152 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 +9152 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 99152 443\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n".to_vec(),
        b"PROXY TCP4 0.0.0.0 10.0.0.1 1 2\r\n".to_vec(),
        b"PROXY TCP4 224.0.0.1 10.0.0.1 1 2\r\n".to_vec(),
        b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7\xff 10.0.0.1 1 2\r\n".to_vec(),
        binary(0x11, 0x11, &ipv4(&[])),
        binary(0x22, 0x11, &ipv4(&[])),
        binary(0x21, 0x12, &ipv4(&[])),
        binary(0x21, 0x41, &ipv4(&[])),
        binary(0x21, 0x11, &[192, 0, 2, 7]),
        binary(0x21, 0x11, b"\xc0\0"),
        binary(0x21, 0x21, &ipv4(&[])),
        binary(0x21, 0x31, &ipv4(&[])),
        binary(0x21, 0x11, &ipv4(b"\x01\0\x03h2")),
        binary(0x21, 0x11, &ipv4(b"\x01\0")),
        binary(0x21, 0x21, &ipv6(Ipv6Addr::UNSPECIFIED)),
    ] {
        assert!(matches!(read(&bytes), Err(Malformed(_))), "{}: {:?}", bytes.escape_ascii(), read(&bytes));
    }
}

/// Bytes that begin like a header often enough.
fn like_a_header() -> impl Strategy<Value = Vec<u8>> {
    let rest = proptest::collection::vec(any::<u8>(), 0..64);
    let beginnings = prop_oneof![
        Just(Vec::new()),
        Just(LINE.to_vec()),
        Just(b"PROXY TCP4 192.0.2.7 10.0.0.1 ".to_vec()),
        Just(SIGNATURE.to_vec()),
        (0x1e_u8..0x23, 0_u8..0x33, 0_u8..40).prop_map(|(command, family, length)| [
            SIGNATURE,
            &[command, family, 0, length]
        ]
        .concat()),
    ];
    (beginnings, rest).prop_map(|(beginning, rest)| [beginning, rest].concat())
}

proptest! {
    #[test]
    fn each_client_is_read_as_it_was_written(v4: [u8; 4], v6: [u8; 16], port: u16) {
        let mut wanted = Vec::new();
        let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(v6));
        wanted.push((format!("PROXY TCP4 {v4} 10.0.0.1 {port} 443\r\n").into_bytes(), IpAddr::from(v4)));
        wanted.push((format!("PROXY TCP6 {v6} ::1 {port} 443\r\n").into_bytes(), IpAddr::from(v6)));
        wanted.push((binary(0x21, 0x11, &[&v4.octets()[..], &[0; 8]].concat()), IpAddr::from(v4)));
        wanted.push((binary(0x21, 0x21, &ipv6(v6)), IpAddr::from(v6)));
        for (header, address) in wanted {
            let address = address.to_canonical();
            let is_possible = !address.is_unspecified() && !address.is_multicast();
            let whole = Header { client: Some(address), length: header.len() };
            prop_assert_eq!(read(&header).ok().flatten(), is_possible.then_some(whole));
        }
    }

    /// What comes in pieces is read like what comes at once, and what follows a header does not matter.
    #[test]
    fn neither_pieces_nor_what_follows_change_what_is_read(bytes in like_a_header(), more: Vec<u8>) {
        let whole = read(&bytes);
        for end in 0..bytes.len() {
            let part = read(&bytes[..end]);
            prop_assert!(part == Ok(None) || part == whole, "{end}: {part:?}, then {whole:?}");
        }
        if let Ok(Some(header)) = whole {
            prop_assert!(header.length <= bytes.len() && header.length <= LONGEST);
        }
        if whole != Ok(None) {
            prop_assert_eq!(read(&[bytes, more].concat()), whole);
        }
    }

    #[test]
    fn the_longest_header_always_says_what_it_is(rest in proptest::collection::vec(any::<u8>(), LONGEST)) {
        for beginning in [LINE, SIGNATURE] {
            prop_assert!(read(&[beginning, &rest].concat()[..LONGEST]) != Ok(None));
        }
    }
}
