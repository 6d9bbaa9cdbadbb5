//! The machine by itself: no clock, no database, no neighbours.

use evergate_model::{Id, Period, Secret};

use super::*;
use crate::progress::{Account, Enrolment};

const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn wanted(factor: Factor) -> WantedFactor {
    WantedFactor { factor, within: None }
}

fn flow(sequences: &[&[Factor]]) -> Flow {
    Flow::new(Progress {
        sign_in: Id::new(NOW, [1; 10]),
        browser: "browser".to_owned(),
        started: NOW,
        target: Target::Resource {
            host: "wiki.example.com".parse().unwrap(),
            path: "/".to_owned(),
            nonce_hash: "00".repeat(32),
        },
        sequences: sequences.iter().map(|factors| factors.iter().cloned().map(wanted).collect()).collect(),
        account: None,
        proven: Vec::new(),
        session: None,
        asked: None,
        enrolment: None,
    })
}

fn account(standing: Standing) -> Account {
    Account {
        name: "alice".to_owned(),
        counted_as: "alice".to_owned(),
        user: Id::new(NOW, [2; 10]),
        standing,
    }
}

fn submit(name: &str, password: &str, code: &str, uses: Option<Factor>) -> Event {
    Event::Submitted(Submission {
        name: name.to_owned(),
        password: Secret::new(password.to_owned()),
        code: Secret::new(code.to_owned()),
        uses,
    })
}

fn means() -> Means {
    Means { recovery_codes: false, email: false, ..Means::EVERYTHING }
}

/// Name and password, judged right; what is done then.
fn sign_in(flow: &mut Flow, means: Means) -> Command {
    assert!(matches!(flow.handle(submit("alice", "secret", "", None), NOW), Command::Identify { .. }));
    let check = flow.handle(Event::Identified(account(Standing::User)), NOW);
    assert!(matches!(check, Command::Check { factor: Factor::Password, .. }));
    assert!(matches!(flow.handle(Event::Judged(Judgement::Right), NOW), Command::LookUpMeans));
    flow.handle(Event::MeansFound(means), NOW)
}

fn view(command: Command) -> View {
    match command {
        Command::Show(view) => view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn name_and_password_share_the_first_page_where_the_password_comes_first() {
    let first = |sequences: &[&[Factor]]| view(flow(sequences).handle(Event::Begun, NOW));
    let name = |asks_password| View::Name { name: String::new(), asks_password, note: None };
    assert_eq!(first(&[&[Factor::Password, Factor::Totp]]), name(true));
    assert_eq!(first(&[&[Factor::EmailCode], &[Factor::Password]]), name(false));
    assert!(matches!(first(&[&[Factor::Passkey]]), View::Denied { .. }));
}

#[test]
fn password_and_code_open_a_session_that_is_handed_over() {
    let mut flow = flow(&[&[Factor::Password, Factor::Totp]]);
    let page = view(sign_in(&mut flow, means()));
    assert_eq!(page, View::Factor { factor: Factor::Totp, others: vec![], note: None });
    let check = flow.handle(submit("", "", "123456", None), NOW);
    assert!(matches!(check, Command::Check { factor: Factor::Totp, .. }));
    assert!(matches!(flow.handle(Event::Judged(Judgement::Right), NOW), Command::LookUpMeans));
    let Command::Finish { factors } = flow.handle(Event::MeansFound(means()), NOW) else { panic!() };
    assert_eq!(factors.len(), 2);
    assert!(matches!(flow.handle(Event::SessionOpened(Id::new(NOW, [3; 10])), NOW), Command::Decide));
    assert!(matches!(flow.handle(Event::Decided(Verdict::Permit), NOW), Command::HandOver));
    let page = view(flow.handle(Event::HandedOver("https://wiki/".to_owned()), NOW));
    assert_eq!(page, View::Continue { url: "https://wiki/".to_owned() });
}

#[test]
fn a_decoy_sees_what_a_user_with_a_wrong_password_sees() {
    let page = |standing| {
        let mut flow = flow(&[&[Factor::Password, Factor::Totp]]);
        flow.handle(submit("alice", "wrong", "", None), NOW);
        flow.handle(Event::Identified(account(standing)), NOW);
        view(flow.handle(Event::Judged(Judgement::Wrong), NOW))
    };
    assert_eq!(page(Standing::User), page(Standing::Decoy));
    let View::Name { name, note, .. } = page(Standing::Decoy) else { panic!() };
    assert_eq!((name.as_str(), note), ("alice", Some(Note::WrongPassword)));
}

#[test]
fn nothing_about_the_account_shows_before_something_was_proven() {
    let mut flow = flow(&[&[Factor::EmailCode, Factor::Password], &[Factor::Totp]]);
    flow.handle(submit("nobody", "", "", None), NOW);
    let command = flow.handle(Event::Identified(account(Standing::Decoy)), NOW);
    assert!(matches!(command, Command::SendCode));
    let page = view(flow.handle(Event::CodeSent, NOW));
    assert_eq!(page, View::Factor { factor: Factor::EmailCode, others: vec![Factor::Totp], note: None });
}

#[test]
fn another_way_is_taken_only_where_it_is_offered() {
    let mut flow = flow(&[&[Factor::Password, Factor::Totp], &[Factor::Password, Factor::RecoveryCode]]);
    let page = view(sign_in(&mut flow, Means::EVERYTHING));
    assert_eq!(page, View::Factor { factor: Factor::Totp, others: vec![Factor::RecoveryCode], note: None });
    let page = view(flow.handle(submit("", "", "", Some(Factor::RecoveryCode)), NOW));
    assert!(matches!(page, View::Factor { factor: Factor::RecoveryCode, .. }));
    let page = view(flow.handle(submit("", "", "", Some(Factor::EmailCode)), NOW));
    assert!(matches!(page, View::Factor { note: Some(Note::Missing), .. }));
}

#[test]
fn enrolment_is_offered_to_new_accounts_only() {
    let lacking = Means { totp: false, ..means() };
    let mut old = flow(&[&[Factor::Password, Factor::Totp]]);
    assert!(matches!(view(sign_in(&mut old, lacking)), View::Denied { .. }));
    let mut new = flow(&[&[Factor::Password, Factor::Totp]]);
    assert!(matches!(sign_in(&mut new, Means { may_enrol_totp: true, ..lacking }), Command::BeginEnrolment));
    let enrolment = Enrolment { id: "enrolment".to_owned(), otpauth: "otpauth://".to_owned() };
    assert_eq!(view(new.handle(Event::EnrolmentBegun(enrolment), NOW)), View::Enrol { note: None });
    assert!(matches!(new.handle(submit("", "", "123456", None), NOW), Command::ConfirmEnrolment { .. }));
    assert!(matches!(new.handle(Event::Judged(Judgement::Right), NOW), Command::LookUpMeans));
    assert!(matches!(new.handle(Event::MeansFound(means()), NOW), Command::Finish { .. }));
}

#[test]
fn a_locked_user_learns_it_after_the_password_only() {
    let mut flow = flow(&[&[Factor::Password]]);
    let page = view(sign_in(&mut flow, Means { is_locked: true, ..means() }));
    assert_eq!(page, View::Denied { reason: LOCKED.to_owned() });
}

#[test]
fn a_rule_that_wants_more_of_this_user_goes_on_asking() {
    let mut flow = flow(&[&[Factor::Password]]);
    assert!(matches!(sign_in(&mut flow, means()), Command::Finish { .. }));
    flow.handle(Event::SessionOpened(Id::new(NOW, [3; 10])), NOW);
    let within = WantedFactor { factor: Factor::Totp, within: Some(Period::from_seconds(60)) };
    let verdict = Verdict::SignIn { sequences: vec![vec![within]] };
    let page = view(flow.handle(Event::Decided(verdict), NOW));
    assert!(matches!(page, View::Factor { factor: Factor::Totp, .. }));
    flow.handle(submit("", "", "123456", None), NOW);
    flow.handle(Event::Judged(Judgement::Right), NOW);
    let Command::Finish { factors } = flow.handle(Event::MeansFound(means()), NOW) else { panic!() };
    assert_eq!(factors, [ProvenFactor { factor: Factor::Totp, at: NOW }]);
}

#[test]
fn a_step_up_never_asks_for_the_name() {
    let mut flow = flow(&[&[Factor::Totp]]);
    flow.progress.session = Some(Id::new(NOW, [3; 10]));
    flow.progress.account = Some(account(Standing::User));
    assert!(matches!(flow.handle(Event::Begun, NOW), Command::LookUpMeans));
    let page = view(flow.handle(Event::MeansFound(means()), NOW));
    assert!(matches!(page, View::Factor { factor: Factor::Totp, .. }));
    flow.handle(submit("mallory", "", "000000", None), NOW);
    let page = view(flow.handle(Event::Judged(Judgement::Wrong), NOW));
    assert!(matches!(page, View::Factor { note: Some(Note::WrongCode), .. }));
    assert_eq!(flow.progress.account.unwrap().name, "alice");
}

/// Any event, as a number stands for it.
fn any_event(number: u8) -> Event {
    match number % 12 {
        0 => Event::Begun,
        1 => submit("alice", "secret", "", None),
        2 => submit("", "", "123456", None),
        3 => submit("", "", "", Some(Factor::RecoveryCode)),
        4 => Event::Identified(account(Standing::Decoy)),
        5 => Event::Judged(Judgement::Wrong),
        6 => Event::Judged(Judgement::Used),
        7 => Event::Judged(Judgement::Gone),
        8 => Event::MeansFound(Means::EVERYTHING),
        9 => Event::CodeSent,
        10 => Event::Judged(Judgement::Paused { until: NOW }),
        _ => submit("alice", "", "", None),
    }
}

proptest::proptest! {
    #[test]
    fn nothing_is_finished_unless_something_was_judged_right(numbers in proptest::collection::vec(0_u8..12, 0..40)) {
        let mut flow = flow(&[&[Factor::Password, Factor::Totp], &[Factor::EmailCode]]);
        for number in numbers {
            let command = flow.handle(any_event(number), NOW);
            let is_proven = matches!(command, Command::Finish { .. } | Command::BeginEnrolment);
            proptest::prop_assert!(!is_proven);
        }
    }
}
