//! What holds for every sequence of events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, reason = "a test")]

use std::time::Duration;

use evergate_failover::engine::{Command, Engine, Event, Failure, Member, MemberId, Settings, State};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use proptest::collection::vec;
use proptest::prelude::*;

const MEMBERS: usize = 4;

fn id(index: usize) -> MemberId {
    format!("m{index}").as_str().into()
}

fn members() -> Vec<Member> {
    [1, 1, 2, 3]
        .into_iter()
        .enumerate()
        .map(|(index, priority)| Member::new(id(index).as_str(), "address", priority))
        .collect()
}

fn engine(mode: Mode) -> Engine {
    let now = Timestamp::from_seconds(0);
    let mut engine = Engine::new(members(), mode, Settings::default(), now);
    for m in 0..MEMBERS {
        engine.handle(Event::HeartbeatAnswered { member: id(m), started: now }, now);
    }
    engine
}

/// What happens, without the times, which depend on where in the sequence it stands.
#[derive(Debug, Clone)]
enum Happening {
    Call(usize, Option<Failure>),
    /// A call that was overdue, after so many milliseconds, and how it ended then.
    Overdue(usize, u64, Late),
    /// Listed anew, as it was.
    Listed,
    Beat(usize),
    Miss(usize, bool),
    Broken(usize, Failure),
    Drain(usize),
    Pause(u64),
}

/// How an overdue call ended.
#[derive(Debug, Clone, Copy)]
enum Late {
    Answered,
    /// Another member was quicker.
    Abandoned,
    TimedOut,
}

fn happening() -> impl Strategy<Value = Happening> {
    let late = prop_oneof![Just(Late::Answered), Just(Late::Abandoned), Just(Late::TimedOut)];
    let failure = prop_oneof![
        Just(Failure::Refused),
        Just(Failure::Reset),
        Just(Failure::TimedOut),
        Just(Failure::Busy)
    ];
    let broken = prop_oneof![Just(Failure::Refused), Just(Failure::Reset)];
    prop_oneof![
        (0..MEMBERS, proptest::option::of(failure)).prop_map(|(m, f)| Happening::Call(m, f)),
        (0..MEMBERS, 100_u64..2_000, late).prop_map(|(m, ms, late)| Happening::Overdue(m, ms, late)),
        Just(Happening::Listed),
        (0..MEMBERS).prop_map(Happening::Beat),
        (0..MEMBERS, any::<bool>()).prop_map(|(m, late)| Happening::Miss(m, late)),
        (0..MEMBERS, broken).prop_map(|(m, f)| Happening::Broken(m, f)),
        (0..MEMBERS).prop_map(Happening::Drain),
        (1_u64..20_000).prop_map(Happening::Pause),
    ]
}

fn play(engine: &mut Engine, happenings: &[Happening]) -> (Vec<Command>, Timestamp) {
    let (mut now, mut commands) = (Timestamp::from_seconds(1), Vec::new());
    for each in happenings {
        let started = now;
        now = now.plus(Duration::from_millis(1));
        let events = match each.clone() {
            Happening::Call(m, None) => {
                vec![Event::Started { member: id(m) }, Event::Answered { member: id(m), started }]
            }
            Happening::Call(m, Some(failure)) => {
                vec![Event::Started { member: id(m) }, Event::Failed { member: id(m), started, failure }]
            }
            Happening::Overdue(m, ms, late) => {
                commands.extend(engine.handle(Event::Started { member: id(m) }, now));
                let overdue = Event::Overdue { member: id(m), started };
                commands.extend(engine.handle(overdue, now.plus(Duration::from_millis(ms.min(150)))));
                now = now.plus(Duration::from_millis(ms));
                let failure = Failure::TimedOut;
                vec![match late {
                    Late::Answered => Event::AnsweredLate { member: id(m), started },
                    Late::Abandoned => Event::Abandoned { member: id(m) },
                    Late::TimedOut => Event::Failed { member: id(m), started, failure },
                }]
            }
            Happening::Listed => vec![Event::Configured { members: members(), mode: engine.mode() }],
            Happening::Beat(m) => vec![Event::HeartbeatAnswered { member: id(m), started }],
            Happening::Miss(m, watcher_late) => vec![Event::HeartbeatMissed { member: id(m), watcher_late }],
            Happening::Broken(m, failure) => {
                vec![Event::HeartbeatFailed { member: id(m), started, failure }]
            }
            Happening::Drain(m) => vec![Event::SaidDraining { member: id(m) }],
            Happening::Pause(ms) => {
                now = now.plus(Duration::from_millis(ms));
                vec![Event::Tick]
            }
        };
        for event in events {
            commands.extend(engine.handle(event, now));
        }
    }
    (commands, now)
}

fn states(engine: &Engine) -> Vec<State> {
    (0..MEMBERS).map(|m| engine.state(&id(m)).unwrap()).collect()
}

proptest! {
    #[test]
    fn while_a_member_is_untried_one_is_offered_and_never_a_tried_one(
        happenings in vec(happening(), 0..80), tried in vec(0..MEMBERS, 0..=MEMBERS), random: u64,
    ) {
        let mut engine = engine(Mode::Failover);
        let (_, now) = play(&mut engine, &happenings);
        let tried: Vec<MemberId> = tried.into_iter().map(id).collect();
        let all_tried = (0..MEMBERS).all(|m| tried.contains(&id(m)));
        let picked = engine.pick(&tried, random, now);
        prop_assert_eq!(picked.is_none(), all_tried);
        prop_assert!(picked.is_none_or(|picked| !tried.contains(&picked)));
    }

    #[test]
    fn the_down_are_asked_only_when_all_are_and_the_doubtful_only_when_nobody_is_up(
        happenings in vec(happening(), 0..80), random: u64, balance: bool,
    ) {
        let mut engine = engine(if balance { Mode::Balance } else { Mode::Failover });
        let (_, now) = play(&mut engine, &happenings);
        let picked = engine.state(&engine.pick(&[], random, now).unwrap()).unwrap();
        prop_assert_eq!(picked, *states(&engine).iter().min().unwrap());
    }

    #[test]
    fn busy_and_late_watchers_change_nothing(happenings in vec(happening(), 0..80), m in 0..MEMBERS) {
        let mut engine = engine(Mode::Failover);
        let (_, now) = play(&mut engine, &happenings);
        let before = states(&engine);
        let failure = Failure::Busy;
        let told = [
            engine.handle(Event::Started { member: id(m) }, now),
            engine.handle(Event::Failed { member: id(m), started: now, failure }, now),
            engine.handle(Event::HeartbeatMissed { member: id(m), watcher_late: true }, now),
        ];
        prop_assert_eq!(before, states(&engine));
        prop_assert!(told.iter().all(Vec::is_empty));
    }

    #[test]
    fn nobody_is_preferred_while_it_is_held_if_another_is_not(
        happenings in vec(happening(), 0..80), random: u64, balance: bool,
    ) {
        let mut engine = engine(if balance { Mode::Balance } else { Mode::Failover });
        let (_, now) = play(&mut engine, &happenings);
        let candidates = engine.status(now).candidates;
        let is_free = |id: &MemberId| {
            candidates.iter().any(|c| c.instance == *id && c.state == State::Up && c.held_until.is_none())
        };
        let picked = engine.pick(&[], random, now).unwrap();
        prop_assert_eq!(is_free(&picked), (0..MEMBERS).any(|m| is_free(&id(m))), "{} of {:?}", picked, candidates);
    }

    #[test]
    fn overdue_calls_at_a_member_that_answers_heartbeats_make_it_at_most_slow(
        overdue in vec((0..MEMBERS, 0_u64..2_000), 0..60),
    ) {
        let mut engine = engine(Mode::Failover);
        let mut now = Timestamp::from_seconds(1);
        for (m, age) in overdue {
            now = now.plus(Duration::from_millis(250));
            for each in 0..MEMBERS {
                engine.handle(Event::HeartbeatAnswered { member: id(each), started: now }, now);
            }
            let started = now.minus(Duration::from_millis(age));
            engine.handle(Event::Started { member: id(m) }, started);
            engine.handle(Event::Overdue { member: id(m), started }, now);
            engine.handle(Event::AnsweredLate { member: id(m), started }, now);
        }
        prop_assert_eq!(states(&engine), vec![State::Up; MEMBERS]);
        prop_assert!(engine.status(now).active.is_some());
    }

    #[test]
    fn what_is_abandoned_or_listed_anew_says_nothing_of_anybody(
        happenings in vec(happening(), 0..80), m in 0..MEMBERS,
    ) {
        let mut engine = engine(Mode::Failover);
        let (_, now) = play(&mut engine, &happenings);
        let before = engine.status(now);
        let told = [
            engine.handle(Event::Started { member: id(m) }, now),
            engine.handle(Event::Abandoned { member: id(m) }, now),
            engine.handle(Event::Configured { members: members(), mode: Mode::Failover }, now),
        ];
        prop_assert_eq!(before, engine.status(now));
        prop_assert!(told.iter().all(Vec::is_empty), "{:?}", told);
        prop_assert_eq!(engine.in_flight(), 0);
    }

    #[test]
    fn missed_heartbeats_alone_make_nobody_down(misses in vec(0..MEMBERS, 0..200)) {
        let mut engine = engine(Mode::Failover);
        let happenings: Vec<_> = misses.into_iter().map(|m| Happening::Miss(m, false)).collect();
        play(&mut engine, &happenings);
        prop_assert!(!states(&engine).contains(&State::Down));
    }

    #[test]
    fn the_told_changes_lead_to_the_state_that_is(happenings in vec(happening(), 0..120)) {
        let mut engine = engine(Mode::Failover);
        let (commands, _) = play(&mut engine, &happenings);
        let mut told = vec![State::Up; MEMBERS];
        for command in commands {
            if let Command::Changed(change) = command {
                let m = (0..MEMBERS).find(|m| id(*m) == change.member).unwrap();
                prop_assert_eq!(told[m], change.from);
                prop_assert_ne!(change.from, change.to);
                told[m] = change.to;
            }
        }
        prop_assert_eq!(told, states(&engine));
    }

    #[test]
    fn the_told_failovers_lead_to_whoever_is_active(happenings in vec(happening(), 0..120)) {
        let mut engine = engine(Mode::Failover);
        let mut active = engine.status(Timestamp::from_seconds(0)).active;
        for each in &happenings {
            // Each happening alone, so that the active member before and after is known.
            let before = engine.status(Timestamp::from_seconds(0)).failovers;
            let (commands, now) = play(&mut engine, std::slice::from_ref(each));
            let status = engine.status(now);
            let told = commands.iter().filter(|command| matches!(command, Command::Failover(_))).count();
            prop_assert_eq!(status.failovers - before, u64::try_from(told).unwrap());
            if let (Some(was), Some(is)) = (active.clone(), status.active.clone())
                && engine.state(&was) == Some(State::Down) && was != is {
                prop_assert!(told > 0, "{was} -> {is} was not told");
            }
            active = status.active.or(active);
        }
    }

    #[test]
    fn whatever_happened_when_all_answer_again_the_first_is_active_again(
        happenings in vec(happening(), 0..120),
    ) {
        let mut engine = engine(Mode::Failover);
        let (_, mut now) = play(&mut engine, &happenings);
        for _ in 0..(301 * 4) {
            now = now.plus(Duration::from_millis(250));
            for m in 0..MEMBERS {
                engine.handle(Event::HeartbeatAnswered { member: id(m), started: now }, now);
            }
        }
        prop_assert_eq!(states(&engine), vec![State::Up; MEMBERS]);
        prop_assert_eq!(engine.status(now).active, Some(id(0)));
        prop_assert_eq!(engine.in_flight(), 0);
    }

    #[test]
    fn of_two_equal_members_the_less_loaded_gets_the_call(load in 1_u32..50, random: u64) {
        let mut engine = engine(Mode::Failover);
        let now = Timestamp::from_seconds(1);
        for _ in 0..load {
            engine.handle(Event::Started { member: id(0) }, now);
        }
        prop_assert_eq!(engine.pick(&[], random, now), Some(id(1)));
    }
}
