//! Many seeds of a small world: members crash, restart, hang and stop as planned, callers call
//! through the engine. First chaos, in which no call is lost while anybody lives; then all faults
//! off, and it must heal. The same world must catch bugs planted in the picker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

use std::time::Duration;

use evergate_failover::engine::{Command, Engine, Event, Failure, Member, MemberId, Settings, State};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;

type Picker = fn(&Engine, &[MemberId], u64, Timestamp) -> Option<MemberId>;

const STEP: Duration = Duration::from_millis(10);
const BEAT_EVERY: u64 = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Serves,
    Gone,
    Stops,
}

/// A small generator of numbers (xorshift, Marsaglia 2003): the same seed, the same world.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

struct World {
    engine: Engine,
    lives: Vec<Life>,
    random: Seeded,
    now: Timestamp,
    pick: Picker,
    failovers: u64,
    /// Calls that went to a member that was down, although one was up.
    wasted: u64,
}

fn id(index: usize) -> MemberId {
    format!("m{index}").as_str().into()
}

impl World {
    fn new(seed: u64, pick: Picker) -> Self {
        let members = (0..3).map(|m| Member::new(id(m).as_str(), "x", u32::try_from(m).unwrap())).collect();
        let now = Timestamp::from_seconds(1_000);
        let engine = Engine::new(members, Mode::Failover, Settings::default(), now);
        let random = Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { engine, lives: vec![Life::Serves; 3], random, now, pick, failovers: 0, wasted: 0 }
    }

    fn tell(&mut self, event: Event) {
        let told = self.engine.handle(event, self.now);
        let moved = told.iter().filter(|command| matches!(command, Command::Failover(_))).count();
        self.failovers += u64::try_from(moved).unwrap();
    }

    fn chaos(&mut self) {
        let m = usize::try_from(self.random.next() % 3).unwrap();
        self.lives[m] = match self.lives[m] {
            Life::Serves if self.random.one_in(2) => Life::Gone,
            Life::Serves => Life::Stops,
            Life::Stops => Life::Gone,
            Life::Gone => Life::Serves,
        };
    }

    fn beat(&mut self) {
        for m in 0..3 {
            let (member, started) = (id(m), self.now);
            let event = match self.lives[m] {
                Life::Serves => Event::HeartbeatAnswered { member, started },
                Life::Stops => Event::SaidDraining { member },
                Life::Gone => Event::HeartbeatFailed { member, started, failure: Failure::Refused },
            };
            self.tell(event);
        }
    }

    /// One call, tried elsewhere as the shell does; false if it was lost though somebody serves.
    fn call(&mut self) -> bool {
        let mut tried = Vec::new();
        let random = self.random.next();
        while let Some(member) = (self.pick)(&self.engine, &tried, random, self.now) {
            let m = (0..3).find(|m| id(*m) == member).unwrap();
            let best_is_up = (0..3).any(|m| self.engine.state(&id(m)) == Some(State::Up));
            self.wasted += u64::from(best_is_up && self.engine.state(&member) == Some(State::Down));
            let started = self.now;
            self.tell(Event::Started { member: member.clone() });
            if self.lives[m] != Life::Gone {
                self.tell(Event::Answered { member, started });
                return true;
            }
            self.tell(Event::Failed { member: member.clone(), started, failure: Failure::Refused });
            tried.push(member);
        }
        !self.lives.iter().any(|life| *life != Life::Gone)
    }

    fn step(&mut self, number: u64) -> Result<(), String> {
        self.now = self.now.plus(STEP);
        if number.is_multiple_of(BEAT_EVERY) {
            self.beat();
        }
        if self.call() { Ok(()) } else { Err(format!("a call was lost at {} in {:?}", self.now, self.lives)) }
    }
}

fn simulate(seed: u64, pick: Picker) -> Result<(), String> {
    let mut world = World::new(seed, pick);
    for number in 0..6_000 {
        if world.random.one_in(150) {
            world.chaos();
        }
        world.step(number)?;
    }
    if world.wasted > 0 {
        return Err(format!("{} calls went to a member that was down while one was up", world.wasted));
    }
    // All faults off: it must heal, and then be calm.
    world.lives = vec![Life::Serves; 3];
    for number in 0..31_000 {
        world.step(number)?;
    }
    let (healed, calm) = (world.engine.status(world.now), world.failovers);
    if healed.active != Some(id(0)) {
        return Err(format!("it did not heal: {healed:?}"));
    }
    for number in 0..1_000 {
        world.step(number)?;
    }
    // A flapping primary: up for a second, gone for half of one, for five minutes.
    let flapping = world.failovers;
    for number in 0..30_000 {
        world.lives[0] = if number % 150 < 100 { Life::Serves } else { Life::Gone };
        world.step(number)?;
        let asked = (world.pick)(&world.engine, &[], 0, world.now);
        if asked == Some(id(0)) && number % 150 < 100 && number > 150 {
            return Err(format!("a member that keeps failing was preferred again at step {number}"));
        }
    }
    let flapped = world.failovers - flapping;
    if flapped > 2 || calm != flapping {
        return Err(format!("calls went to and fro {flapped} times"));
    }
    Ok(())
}

#[test]
fn nothing_is_lost_while_anybody_lives_and_it_heals() {
    for seed in 1..=60 {
        if let Err(what) = simulate(seed, Engine::pick) {
            panic!("seed {seed}: {what}");
        }
    }
}

fn caught(broken: Picker) -> bool {
    (1..=60).any(|seed| simulate(seed, broken).is_err())
}

#[test]
fn a_picker_that_gives_up_when_all_seem_down_is_caught() {
    assert!(caught(|engine, tried, random, now| {
        engine.pick(tried, random, now).filter(|id| engine.state(id) != Some(State::Down))
    }));
}

#[test]
fn a_picker_that_ignores_states_is_caught() {
    assert!(caught(|engine, tried, _, _| {
        engine.members().map(|member| member.id.clone()).find(|id| !tried.contains(id))
    }));
}

#[test]
fn a_picker_that_ignores_the_hold_down_is_caught() {
    assert!(caught(|engine, tried, random, now| {
        engine
            .members()
            .map(|member| member.id.clone())
            .find(|id| !tried.contains(id) && engine.state(id) == Some(State::Up))
            .or_else(|| engine.pick(tried, random, now))
    }));
}
