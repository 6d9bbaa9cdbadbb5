//! Configuration files as people write them: what is understood is checked, and every problem says what it is.
#![no_main]

use evergate_administration::configuration::{ConfigurationFile, check};
use evergate_model::Configuration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let base: Configuration = serde_json::from_str(r#"{"portal_host": "portal.example.com"}"#).expect("a configuration");
    let Ok(file) = ConfigurationFile::parse(text) else { return };
    let Ok(configuration) = file.apply_to(&base) else { return };
    if let Err(problems) = check(&configuration) {
        assert!(!problems.is_empty());
    }
});
