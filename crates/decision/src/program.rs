//! A rule in the form in which it is evaluated: a list of steps, each of which uses only earlier
//! ones. A rule that many others refer to is one step, evaluated once, so that no nesting of
//! references makes an evaluation long, and none makes it recurse.

use std::collections::BTreeSet;
use std::sync::Arc;

use evergate_model::Name;
use evergate_model::factor::WantedFactor;
use ipnet::IpNet;
use regex::bytes::Regex;

use crate::condition::Sort;
use crate::rule::Span;
use crate::value::{self, Value};
use crate::window::Window;

/// One step. Numbers are indices of earlier steps, or of terms.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    All(Box<[usize]>),
    Any(Box<[usize]>),
    Not(usize),
    Term(usize),
}

/// A single thing to look at, ready to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) test: Test,
    /// Which text it stands in, and where.
    pub(crate) source: usize,
    pub(crate) span: Span,
}

/// What to look at.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Anyone,
    Factor(WantedFactor),
    Group(String),
    User(String),
    Client(Vec<IpNet>),
    AccessPoint(Name),
    PathUnder(String),
    RequestMethod(Vec<String>),
    Header { name: String, pattern: Arc<Regex> },
    Time(Arc<Window>),
}

impl Test {
    /// The sort of condition; a factor's is the user.
    pub(crate) const fn sort(&self) -> Sort {
        match self {
            Self::Anyone => Sort::Nobody,
            Self::Factor(_) | Self::Group(_) | Self::User(_) => Sort::User,
            Self::Client(_) => Sort::Client,
            Self::AccessPoint(_) => Sort::AccessPoint,
            Self::PathUnder(_) => Sort::Path,
            Self::RequestMethod(_) => Sort::RequestMethod,
            Self::Header { .. } => Sort::Header,
            Self::Time(_) => Sort::Time,
        }
    }
}

/// The effective rule of a resource or of one of its paths.
#[derive(Debug, Clone)]
pub(crate) struct Program(Box<[Step]>);

impl Program {
    /// What `roots` and all steps they use come to when all roots must hold, cut out of `steps`;
    /// `None` if that is more than `limit` steps. `steps` obeys the rule that each uses earlier
    /// ones only, so their order is an order of evaluation.
    pub(crate) fn cut_out(steps: &[Step], roots: &[usize], limit: usize) -> Option<Self> {
        let mut used = BTreeSet::new();
        let mut open: Vec<usize> = roots.to_vec();
        while let Some(index) = open.pop() {
            if used.insert(index) {
                open.extend(steps.get(index).into_iter().flat_map(Step::operands));
            }
            if used.len() >= limit {
                return None;
            }
        }
        let used: Vec<usize> = used.into_iter().collect();
        let place = |index: &usize| used.binary_search(index).unwrap_or(0);
        let mut cut: Vec<Step> =
            used.iter().filter_map(|index| steps.get(*index)).map(|step| step.moved(place)).collect();
        cut.push(Step::All(roots.iter().map(place).collect()));
        Some(Self(cut.into()))
    }

    /// Evaluates every step, none left out, so that what was looked at is the same for every
    /// request that gives the same answers.
    pub(crate) fn run(&self, mut look: impl FnMut(usize) -> Value) -> Value {
        let mut values: Vec<Value> = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            let value = match step {
                Step::All(parts) => value::all(parts.iter().filter_map(|part| values.get(*part))),
                Step::Any(parts) => value::any(parts.iter().filter_map(|part| values.get(*part))),
                Step::Not(part) => values.get(*part).map_or(Value::CLOSED, value::not),
                Step::Term(term) => look(*term),
            };
            values.push(value);
        }
        values.pop().unwrap_or(Value::CLOSED)
    }

    /// The terms it looks at.
    pub(crate) fn terms(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|step| if let Step::Term(term) = step { Some(*term) } else { None })
    }

    /// How many steps it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Step {
    fn operands(&self) -> Vec<usize> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.to_vec(),
            Self::Not(part) => vec![*part],
            Self::Term(_) => Vec::new(),
        }
    }

    fn moved(&self, place: impl Fn(&usize) -> usize) -> Self {
        match self {
            Self::All(parts) => Self::All(parts.iter().map(place).collect()),
            Self::Any(parts) => Self::Any(parts.iter().map(place).collect()),
            Self::Not(part) => Self::Not(place(part)),
            Self::Term(term) => Self::Term(*term),
        }
    }
}
