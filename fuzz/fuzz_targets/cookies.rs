//! Cookies from strangers: none of ours leaves for a server, and none of the others is lost or
//! changed.
#![no_main]

use evergate_access_point::identify::cookies;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fn others(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let all = headers.get_all(COOKIE).iter();
    let pairs = all.flat_map(|value| value.as_bytes().split(|c| *c == b';').map(<[u8]>::trim_ascii));
    pairs.filter(|pair| !pair.is_empty() && !pair.starts_with(b"__Host-evergate")).map(<[u8]>::to_vec).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for value in bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(COOKIE, value);
    }
    let _ = cookies::find(&headers, cookies::SESSION);
    let _ = cookies::find(&headers, cookies::RETURN);
    let _ = cookies::sets_own(bytes);
    let before = others(&headers);
    cookies::remove_own(&mut headers);
    assert_eq!(others(&headers), before);
    for name in [cookies::SESSION, cookies::RETURN] {
        assert_eq!(cookies::find(&headers, name), Ok(None));
    }
});
