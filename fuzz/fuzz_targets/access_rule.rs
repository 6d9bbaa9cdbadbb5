//! Access rules: no text makes the parser panic or run away, and what is read and written again is
//! read as the same.
#![no_main]

use evergate_decision::Rule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(rule) = Rule::parse(text) {
        let written = rule.expression.to_string();
        if let Ok(again) = Rule::parse(&written) {
            assert_eq!(again.expression.to_string(), written);
        } else {
            // Only the limit on length may refuse what was just read: escapes make it longer.
            assert!(written.len() > evergate_decision::limits::TEXT, "{written}");
        }
    }
});
