//! The progress of a sign-in, as it is once its seal is opened: no progress may finish a sign-in with
//! more than it says was proven.
#![no_main]

use evergate_authentication::flow::{Command, Event, Flow, Submission};
use evergate_authentication::progress::Progress;
use evergate_model::{Secret, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = Timestamp::from_seconds(1_795_350_600);
    let Ok(progress) = serde_json::from_slice::<Progress>(data) else { return };
    let _ = progress.check("browser", now);
    let proven = progress.proven.len();
    let submission = || Submission {
        name: "alice".to_owned(),
        password: Secret::new("password".to_owned()),
        code: Secret::new("123456".to_owned()),
        uses: "email-code".parse().ok(),
    };
    for event in [Event::Begun, Event::Submitted(submission())] {
        if let Command::Finish { factors } = Flow::new(progress.clone()).handle(event, now) {
            assert_eq!(factors.len(), proven);
        }
    }
});
