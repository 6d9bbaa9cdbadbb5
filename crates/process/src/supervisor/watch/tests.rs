//! The rules by which hung children are killed, and by which all others are not.

use super::*;

/// A world of one child that answers while it can.
struct World {
    watch: Watch,
    now: Duration,
    /// Whether it answers.
    answers: bool,
    posture: Posture,
    holds_lock: bool,
    killed: Option<(Duration, String)>,
}

const LIMIT: Duration = Duration::from_secs(30);

impl World {
    fn new() -> Self {
        let mut watch = Watch::default();
        watch.handle(Event::Started { child: "policy1", pid: 7, silence: LIMIT }, Duration::ZERO);
        let posture = Posture::Waiting;
        Self { watch, now: Duration::ZERO, answers: true, posture, holds_lock: false, killed: None }
    }

    fn living() -> Self {
        let mut world = Self::new();
        world.pass(Duration::from_secs(1), ROUND);
        world
    }

    /// Lets time pass, with a round every `step`.
    fn pass(&mut self, time: Duration, step: Duration) {
        let end = self.now + time;
        while self.now < end && self.killed.is_none() {
            self.now += step;
            let commands = self.watch.handle(Event::Round, self.now);
            self.obey(commands);
        }
    }

    fn obey(&mut self, commands: Vec<Command>) {
        for command in commands {
            let event = match command {
                Command::Ask { pid, .. } if self.answers => {
                    Event::Answered { child: "policy1", pid, is_live: true }
                }
                Command::Ask { .. } => continue,
                Command::Look { .. } => {
                    Event::Seen { child: "policy1", posture: self.posture, holds_lock: self.holds_lock }
                }
                Command::Kill { why, .. } => {
                    self.killed = Some((self.now, why));
                    continue;
                }
            };
            let more = self.watch.handle(event, self.now);
            self.obey(more);
        }
    }

    /// How long after it hung at a moment between two rounds it was killed.
    fn killed_after_hanging(mut self, posture: Posture, holds_lock: bool) -> Option<(Duration, String)> {
        let hung = self.now;
        (self.answers, self.posture, self.holds_lock) = (false, posture, holds_lock);
        self.pass(Duration::from_secs(60), ROUND);
        self.killed.map(|(at, why)| (at - hung, why))
    }
}

#[test]
fn whoever_hangs_with_the_write_lock_is_killed_within_350_ms() {
    for posture in [Posture::Stopped, Posture::Waiting] {
        let (after, why) = World::living().killed_after_hanging(posture, true).unwrap();
        assert!((200..=350).contains(&after.as_millis()), "{after:?}");
        assert!(why.contains("write lock"), "{why}");
    }
}

#[test]
fn whoever_would_run_if_it_could_has_a_second() {
    let (after, _) = World::living().killed_after_hanging(Posture::Busy, true).unwrap();
    assert!((900..=1100).contains(&after.as_millis()), "{after:?}");
}

#[test]
fn whoever_hangs_without_the_lock_has_as_long_as_its_kind() {
    let (after, why) = World::living().killed_after_hanging(Posture::Stopped, false).unwrap();
    assert!((LIMIT - BEAT..=LIMIT + BEAT).contains(&after), "{after:?}");
    assert_eq!(why, "silent for 30s");
}

#[test]
fn whoever_answers_is_never_killed_whatever_it_holds() {
    let mut world = World::living();
    (world.holds_lock, world.posture) = (true, Posture::Busy);
    world.pass(Duration::from_secs(300), ROUND);
    assert_eq!(world.killed, None);
}

#[test]
fn a_watcher_that_is_late_discards_its_evidence() {
    let mut world = World::living();
    (world.answers, world.holds_lock, world.posture) = (false, true, Posture::Waiting);
    world.pass(Duration::from_secs(60), ROUND + LATE + Duration::from_millis(1));
    assert_eq!(world.killed, None, "it never saw two rounds in time");
    world.pass(Duration::from_millis(350), ROUND);
    assert!(world.killed.is_some(), "and judges when it is in time again");
}

#[test]
fn one_that_was_stopped_itself_asks_again_before_it_judges() {
    let mut world = World::living();
    (world.answers, world.holds_lock) = (false, true);
    world.pass(Duration::from_millis(150), ROUND);
    world.now += Duration::from_secs(100);
    let commands = world.watch.handle(Event::Round, world.now);
    world.obey(commands);
    assert_eq!(world.killed, None);
    world.watch.handle(Event::Answered { child: "policy1", pid: 7, is_live: true }, world.now);
    world.answers = true;
    world.pass(Duration::from_secs(10), ROUND);
    assert_eq!(world.killed, None);
}

#[test]
fn a_lock_that_is_given_back_between_two_looks_is_no_evidence() {
    let mut world = World::living();
    (world.answers, world.posture) = (false, Posture::Waiting);
    for round in 0..100 {
        world.holds_lock = round % 2 == 0;
        world.pass(ROUND, ROUND);
    }
    assert_eq!(world.killed, None);
}

#[test]
fn one_that_is_starting_is_killed_only_when_it_is_stopped_with_the_lock() {
    let starting = || {
        let mut world = World::new();
        world.answers = false;
        world
    };
    for posture in [Posture::Waiting, Posture::Busy] {
        let (after, _) = starting().killed_after_hanging(posture, true).unwrap();
        assert!(after >= STARTING - BEAT, "{after:?}");
    }
    let (after, _) = starting().killed_after_hanging(Posture::Stopped, true).unwrap();
    assert!(after < Duration::from_millis(500), "{after:?}");
}

#[test]
fn the_silence_during_a_drill_does_not_count_after_it() {
    let mut world = World::living();
    world.answers = false;
    world.pass(LIMIT - Duration::from_millis(200), ROUND);
    world.watch.handle(Event::Continued { child: "policy1" }, world.now);
    world.pass(Duration::from_secs(1), ROUND);
    assert_eq!(world.killed, None);
}

#[test]
fn the_answer_of_an_earlier_process_says_nothing_of_this_one() {
    let mut world = World::living();
    world.watch.handle(Event::Ended { child: "policy1" }, world.now);
    world.watch.handle(Event::Started { child: "policy1", pid: 8, silence: LIMIT }, world.now);
    world.watch.handle(Event::Answered { child: "policy1", pid: 7, is_live: true }, world.now);
    assert!(!world.watch.pulses["policy1"].has_answered);
}
