//! Request targets from strangers: what is accepted is in the one form, so that normalising it again changes nothing.
#![no_main]

use evergate_model::NormalPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(once) = NormalPath::new(text) {
        let twice = NormalPath::new(once.path_and_query()).expect("a normal path is a path");
        assert_eq!(once.path_and_query(), twice.path_and_query());
        let path = once.path().to_ascii_lowercase();
        assert!(path.starts_with('/') && !path.contains("%2f") && !path.contains("%5c") && !path.contains('\0'));
        assert!(!path.split('/').any(|part| part == "." || part == ".."));
    }
});
