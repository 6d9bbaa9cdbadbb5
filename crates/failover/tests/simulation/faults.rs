//! What can go wrong, for how long, and whom it troubles: drawn from the seed before the world
//! begins, so that the truth about every moment is known without asking the world.

use super::seeded::Seeded;
use super::{Ms, Shape};

/// Faults begin after this moment, when everybody knows everybody.
const FIRST: Ms = 1_000;
/// All faults have ended by then.
pub const LAST: Ms = 13_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Killed: connections are reset, new ones refused; started again at the end.
    Crash { member: usize },
    /// Its machine loses power: silence, until it is started again.
    PowerLoss { member: usize },
    /// Stopped (SIGSTOP) and woken at the end, or killed then and started again.
    Hang { member: usize, killed: bool },
    /// A planned stop: says that it drains, refuses calls, ends, is started again.
    Stop { member: usize },
    /// Every call takes longer; `beats` says whether heartbeats do, too.
    Slow { member: usize, by: Ms, beats: bool },
    /// Refuses calls for load.
    Busy { member: usize },
    /// More calls come than all members together can answer: half are refused for load, the others
    /// take longer; heartbeats are answered.
    Overload { by: Ms },
    /// Lives, but cannot answer calls now: its database is away.
    Unable { member: usize },
    /// Messages of one caller, or of all, do not pass.
    Cut { caller: Option<usize>, member: usize, requests: bool, answers: bool },
    /// So many of a hundred messages are lost.
    Loss { caller: usize, member: usize, percent: u64 },
    /// A caller, or the whole machine, gets no processor.
    Starve { caller: Option<usize> },
    /// A caller begins anew, with a wall clock that jumped by so many seconds.
    Restart { caller: usize, jump: i64 },
}

/// A fault and when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    pub fault: Fault,
    pub from: Ms,
    pub to: Ms,
}

/// How long after a fault's end its traces may still be felt.
const TRACES: Ms = 500;
/// After the network was cut: a connection that leads nowhere is given up after three heartbeats,
/// and a dial on its way into the silence after a second.
const TRACES_OF_SILENCE: Ms = 2_500;

impl Spell {
    pub fn draw(random: &mut Seeded, shape: &Shape) -> Self {
        let from = random.between(FIRST, LAST - 3_000);
        let length = match random.between(0, 3) {
            0 => random.between(20, 400),
            1 | 2 => random.between(400, 3_000),
            _ => random.between(3_000, 8_000),
        };
        let fault = Fault::draw(random, shape);
        let length = match fault {
            Fault::Starve { .. } => length.min(1_500),
            Fault::Restart { .. } => 0,
            // It must have the time to say so.
            Fault::Stop { .. } => length.max(1_200),
            _ => length,
        };
        Self { fault, from, to: (from + length).min(LAST) }
    }

    /// From when to when this spell may keep a caller from being answered by a member.
    pub fn troubles(&self, caller: usize, member: usize) -> Option<(Ms, Ms)> {
        let traces = match self.fault {
            Fault::Crash { member: m } | Fault::Hang { member: m, .. } | Fault::Stop { member: m } => {
                (m == member).then_some(TRACES)?
            }
            Fault::Slow { member: m, .. } | Fault::Busy { member: m } | Fault::Unable { member: m } => {
                (m == member).then_some(TRACES)?
            }
            Fault::Overload { .. } => TRACES,
            Fault::PowerLoss { member: m } => (m == member).then_some(TRACES_OF_SILENCE)?,
            Fault::Cut { caller: c, member: m, .. } => {
                (m == member && c.is_none_or(|c| c == caller)).then_some(TRACES_OF_SILENCE)?
            }
            Fault::Loss { caller: c, member: m, .. } => {
                (m == member && c == caller).then_some(TRACES_OF_SILENCE)?
            }
            Fault::Starve { caller: c } => c.is_none_or(|c| c == caller).then_some(TRACES)?,
            Fault::Restart { caller: c, .. } => (c == caller).then_some(TRACES)?,
        };
        Some((self.from, self.to + traces))
    }

    /// Whether that caller gets no processor.
    pub fn starves(&self, caller: usize) -> bool {
        matches!(self.fault, Fault::Starve { caller: c } if c.is_none_or(|c| c == caller))
    }

    /// Whether a member may be suspected: heartbeats come too seldom to tell at once that one which
    /// is slow is not silent.
    pub fn may_be_suspected(&self) -> bool {
        use Fault::{Busy, Restart, Starve, Unable};
        !matches!(self.fault, Busy { .. } | Unable { .. } | Starve { .. } | Restart { .. })
    }

    /// Whether a member may be taken to be down: not one that answers heartbeats.
    pub fn may_be_taken_for_down(&self) -> bool {
        self.may_be_suspected()
            && !matches!(self.fault, Fault::Overload { .. } | Fault::Slow { beats: false, .. })
    }

    /// Whether a call may wait without anybody being silent.
    pub fn may_seem_slow(&self) -> bool {
        use Fault::{Cut, Hang, Loss, Overload, Slow};
        matches!(self.fault, Overload { .. } | Slow { .. } | Loss { .. } | Cut { .. } | Hang { .. })
    }

    /// Whether a call that was made in it may wait although its time is over.
    pub fn outlasts_itself(&self) -> bool {
        matches!(self.fault, Fault::Loss { .. } | Fault::Slow { .. } | Fault::Overload { .. })
    }

    /// Whether callers may go to and fro for as long as it lasts.
    pub fn is_ambiguous(&self) -> bool {
        self.outlasts_itself()
    }
}

impl Fault {
    fn draw(random: &mut Seeded, shape: &Shape) -> Self {
        let member = random.index(shape.members);
        let caller = random.index(shape.callers);
        let or_all = if random.percent(50) { Some(caller) } else { None };
        match random.between(0, 17) {
            0..=2 => Self::Crash { member },
            3 => Self::PowerLoss { member },
            4..=6 => Self::Hang { member, killed: random.percent(30) },
            7 => Self::Stop { member },
            8 => Self::Slow { member, by: random.between(100, 3_000), beats: random.percent(30) },
            9 => Self::Busy { member },
            10 | 11 => {
                let (requests, answers) = [(true, false), (false, true), (true, true)][random.index(3)];
                Self::Cut { caller: or_all, member, requests, answers }
            }
            12 => Self::Loss { caller, member, percent: random.between(5, 60) },
            13 | 14 => Self::Starve { caller: or_all },
            15 => Self::Unable { member },
            16 => Self::Overload { by: random.between(100, 1_500) },
            _ => Self::Restart { caller, jump: i64::try_from(random.between(0, 200_000)).unwrap() - 100_000 },
        }
    }
}
