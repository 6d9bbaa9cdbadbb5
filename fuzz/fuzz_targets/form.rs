//! Forms that strangers post to the sign-in pages.
#![no_main]

use evergate_authentication::form::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(form) = Form::parse(bytes) {
        let _ = (form.get("name"), form.secret("password"), form.canonical());
    }
});
