//! Bugs planted on purpose: a simulation is trusted only after it has caught them. Each sits in what
//! a pool is given (its chooser, its settings, its callers' options, its dialler) or in the
//! members, so that the product's code stays as it is.

use std::sync::Arc;
use std::time::Duration;

use evergate_failover::engine::{Engine, State};
use evergate_failover::shell::{CallKind, Chooser, PoolOptions};
use evergate_failover::{CallOptions, MemberId, Reach};

use super::caller::CALL;
use super::index_of;
use super::invariants::Invariant;
use super::record::{Entry, Known, MOST};
use super::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Whoever is asked first is the only one.
    NeverAsksAnother,
    /// A connection's death is handed to the caller as the answer.
    TakesResetsForAnswers,
    /// The first untried member is asked, whatever is known of it.
    IgnoresStates,
    /// A member that keeps no record of effect keys does again what another has done.
    ForgetsEffectKeys,
    /// A call that must be made once is made as if it had an effect key.
    RepeatsWhatMustNotBe,
    /// A member says that it has done what it has not.
    AnswersBeforeItHasDoneIt,
    /// The first member that is up is preferred, however short a time it has been up.
    IgnoresTheHoldDown,
    /// A hold-down of nothing.
    HoldsNobodyDown,
    /// A member is left for one overdue call, and preferred again a moment later, each time.
    HoldsForAMoment,
    /// A silent member is waited for until the deadline.
    HasEndlessPatience,
    /// When nobody is left to ask, whoever was asked first is asked again at once, busy or not.
    HedgesAfterBusy,
    /// Every read is asked twice, and no budget knows of it.
    HedgesEverything,
    /// A hold-down of an hour.
    NeverFailsBack,
    /// A busy answer is read as a lost connection.
    TakesBusyForLost,
    /// Heartbeats are sent so late that live members miss them.
    SlowHeartbeats,
    /// Calls are forgotten, instead of ended.
    LeaksCalls,
}

impl Bug {
    /// All, each with the invariant that must catch it.
    pub const ALL: [(Self, Invariant); 16] = [
        (Self::NeverAsksAnother, Invariant::NoCallFails),
        (Self::TakesResetsForAnswers, Invariant::NoCallFails),
        (Self::IgnoresStates, Invariant::NoneToTheDown),
        (Self::ForgetsEffectKeys, Invariant::WritesOnce),
        (Self::RepeatsWhatMustNotBe, Invariant::WritesOnce),
        (Self::AnswersBeforeItHasDoneIt, Invariant::WritesOnce),
        (Self::IgnoresTheHoldDown, Invariant::HoldDownKept),
        (Self::HoldsNobodyDown, Invariant::HoldDownKept),
        (Self::HasEndlessPatience, Invariant::RecoveryBounded),
        (Self::HedgesAfterBusy, Invariant::BusyIsNotHedged),
        (Self::HedgesEverything, Invariant::BudgetKept),
        (Self::HoldsForAMoment, Invariant::SwitchesBounded),
        (Self::NeverFailsBack, Invariant::Heals),
        (Self::TakesBusyForLost, Invariant::BlamedWithCause),
        (Self::SlowHeartbeats, Invariant::BlamedWithCause),
        (Self::LeaksCalls, Invariant::NothingIsLeft),
    ];

    /// How far a failed call came, as the bug has it.
    pub fn misread(self, reach: Reach) -> Reach {
        match (self, reach) {
            (Self::TakesResetsForAnswers, Reach::Lost) => Reach::Answered,
            (Self::TakesBusyForLost, Reach::Busy) => Reach::Lost,
            _ => reach,
        }
    }

    /// How a call is made, as the bug has it.
    pub fn options(self, kind: CallKind, right: CallOptions) -> CallOptions {
        match (self, kind) {
            (Self::RepeatsWhatMustNotBe, CallKind::Once) => CallOptions::WRITE,
            (Self::HasEndlessPatience, _) => right.with_patience(None),
            (Self::HedgesEverything, CallKind::Read) => right.with_patience(Some(Duration::from_millis(2))),
            _ => right,
        }
    }

    /// A pool's settings, as the bug has them.
    pub fn settle(self, options: &mut PoolOptions) {
        match self {
            Self::HoldsNobodyDown => {
                (options.settings.hold, options.settings.hold_suspect) = (Duration::ZERO, Duration::ZERO);
            }
            Self::HoldsForAMoment => {
                let moment = Duration::from_millis(20);
                let settings = &mut options.settings;
                (settings.hold, settings.hold_suspect, settings.hold_longest) = (moment, moment, moment);
                settings.slow_calls = 1;
            }
            Self::NeverFailsBack => {
                let hour = Duration::from_secs(3_600);
                (options.settings.hold, options.settings.hold_longest) = (hour, hour);
            }
            Self::HedgesEverything => options.shares.hedges = 100,
            _ => {}
        }
    }

    fn choose(self, engine: &Engine, tried: &[MemberId], right: Option<MemberId>) -> Option<MemberId> {
        let untried = || engine.members().map(|member| member.id.clone()).filter(|id| !tried.contains(id));
        match self {
            Self::NeverAsksAnother => right.filter(|_| tried.is_empty()),
            Self::IgnoresStates => untried().next(),
            Self::HedgesAfterBusy => right.or_else(|| tried.first().cloned()),
            Self::IgnoresTheHoldDown => untried().find(|id| engine.state(id) == Some(State::Up)).or(right),
            _ => right,
        }
    }
}

/// The engine's choice, by the world's chance and with its bug, written down with what was known.
pub fn chooser(world: &Arc<World>, caller: usize) -> Chooser {
    let world = Arc::clone(world);
    Chooser::new(move |engine, tried, now| {
        let right = engine.pick(tried, world.chance(super::seeded::Seeded::next), now);
        let chosen = match world.bug {
            Some(bug) => bug.choose(engine, tried, right),
            None => right,
        };
        if let Some(chosen) = &chosen {
            let mut known = [Known { state: State::Down, is_held: false, is_well: false }; MOST];
            for candidate in engine.status(now).candidates {
                let is_held = candidate.held_until.is_some();
                let is_well = engine.is_well(&candidate.instance, now);
                known[index_of(&candidate.instance)] = Known { state: candidate.state, is_held, is_well };
            }
            let tried = std::array::from_fn(|m| tried.iter().any(|id| index_of(id) == m));
            let call = CALL.get();
            world.add(Entry::Picked { caller, call, member: index_of(chosen), tried, known });
        }
        chosen
    })
}
