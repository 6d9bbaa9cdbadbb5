//! The three values of an evaluation, and how `and`, `or` and `not` join them (Kleene's logic, in
//! which the third value remembers what would make it true).

use evergate_model::Factor;
use evergate_model::factor::WantedFactor;

use crate::limits;

/// What became of a part of a rule. `decider` is the term that made it so, an index into the rule
/// set's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) outcome: Outcome,
    pub(crate) decider: usize,
}

impl Value {
    /// What nothing at all comes to.
    pub(crate) const CLOSED: Self = Self { outcome: Outcome::Fails, decider: 0 };
}

/// True, false, or true once the user has proven more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds.
    Holds,
    /// It does not, and no factor would change that.
    Fails,
    /// It may hold after any one of these; never empty.
    Needs(Vec<Way>),
}

/// Something to prove: these factors in this order; none means that it is enough to know who the
/// user is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Way {
    factors: Vec<WantedFactor>,
}

impl Way {
    /// The user must be known, by whatever factor.
    pub(crate) fn any_user() -> Self {
        Self::default()
    }

    /// This factor must be proven.
    pub(crate) fn factor(wanted: WantedFactor) -> Self {
        Self { factors: vec![wanted] }
    }

    /// The factors to ask for. Where any would do it is the password.
    fn into_sequence(self) -> Vec<WantedFactor> {
        if self.factors.is_empty() {
            vec![WantedFactor { factor: Factor::Password, within: None }]
        } else {
            self.factors
        }
    }

    /// Both: no factor is asked for twice, and the stricter age holds.
    fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for wanted in &other.factors {
            match both.factors.iter_mut().find(|known| known.factor == wanted.factor) {
                None => both.factors.push(wanted.clone()),
                Some(known) => {
                    known.within = [known.within, wanted.within].into_iter().flatten().min();
                }
            }
        }
        both
    }

    /// Whether whoever goes the way `other` has gone this one too.
    fn is_part_of(&self, other: &Self) -> bool {
        if self.factors.is_empty() {
            return other.factors.is_empty();
        }
        let has = |wanted: &WantedFactor| other.factors.iter().any(|known| known.factor == wanted.factor);
        self.factors.iter().all(has)
    }
}

/// Adds a way unless one that is part of it is there; ways that it is part of go. Beyond the limit
/// ways are left out: fewer are offered, none is invented.
fn offer(ways: &mut Vec<Way>, way: Way) {
    if ways.iter().any(|known| known.is_part_of(&way)) {
        return;
    }
    ways.retain(|known| !way.is_part_of(known));
    if ways.len() < limits::SEQUENCES {
        ways.push(way);
    }
}

/// All of `values`. The first that fails decides, else the first that needs something, else the
/// last.
pub(crate) fn all<'a>(values: impl Iterator<Item = &'a Value>) -> Value {
    let mut result = Value { outcome: Outcome::Holds, decider: 0 };
    for value in values {
        match (&mut result.outcome, &value.outcome) {
            (Outcome::Fails, _) | (Outcome::Needs(_), Outcome::Holds) => {}
            (Outcome::Holds, _) | (Outcome::Needs(_), Outcome::Fails) => result = value.clone(),
            (Outcome::Needs(ways), Outcome::Needs(more)) => {
                let mut joined = Vec::new();
                for way in &*ways {
                    for other in more {
                        offer(&mut joined, way.and(other));
                    }
                }
                *ways = joined;
            }
        }
    }
    result
}

/// Any of `values`. The first that holds decides, else the first that needs something, else the
/// first.
pub(crate) fn any<'a>(values: impl Iterator<Item = &'a Value>) -> Value {
    let mut result: Option<Value> = None;
    for value in values {
        match (result.as_mut().map(|result| &mut result.outcome), &value.outcome) {
            (None, _) => result = Some(value.clone()),
            (Some(Outcome::Holds), _) | (Some(_), Outcome::Fails) => {}
            (Some(Outcome::Fails | Outcome::Needs(_)), Outcome::Holds)
            | (Some(Outcome::Fails), Outcome::Needs(_)) => result = Some(value.clone()),
            (Some(Outcome::Needs(ways)), Outcome::Needs(more)) => {
                more.iter().for_each(|way| offer(ways, way.clone()));
            }
        }
    }
    result.unwrap_or(Value::CLOSED)
}

/// Not `value`. What cannot be known before the user is known stays so.
pub(crate) fn not(value: &Value) -> Value {
    let outcome = match &value.outcome {
        Outcome::Holds => Outcome::Fails,
        Outcome::Fails => Outcome::Holds,
        Outcome::Needs(ways) => Outcome::Needs(ways.clone()),
    };
    Value { outcome, decider: value.decider }
}

/// The sequences of factors that are offered, best first.
pub(crate) fn sequences(ways: Vec<Way>) -> Vec<Vec<WantedFactor>> {
    let mut sequences = Vec::new();
    for way in ways {
        offer(&mut sequences, Way { factors: way.into_sequence() });
    }
    sequences.into_iter().map(|way| way.factors).collect()
}
