//! Bytes of a connection from a stranger: it does not matter to what is accepted in which pieces they come.
#![no_main]

use evergate_access_point::accept::framing::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Framing::default();
    let at_once = whole.follow(bytes).is_ok();
    let mut framing = Framing::default();
    let byte_by_byte = bytes.iter().all(|byte| framing.follow(&[*byte]).is_ok());
    assert_eq!(at_once, byte_by_byte);
});
