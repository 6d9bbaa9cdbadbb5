//! All rules of a configuration, ready to decide.

use std::collections::{BTreeMap, BTreeSet};

use evergate_model::configuration::Configuration;
use evergate_model::verdict::{Decision, Verdict};
use evergate_model::{Name, RequestFacts, SessionFacts, Timestamp};

use crate::evaluation::Evaluation;
use crate::explain::{ExplainedTerm, Explanation};
use crate::lowering::Source;
use crate::prefixes::Prefixes;
use crate::problem::{Place, Position, RuleProblem};
use crate::program::{Program, Term, Test};
use crate::value::{self, Outcome, Value};

/// The rules of a configuration, checked. The effective rule of a request is the global rule and
/// the resource's general rules and its own rule, in whose place that of the longest path prefix
/// stands where there is one.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub(crate) sources: Vec<Source>,
    pub(crate) terms: Vec<Term>,
    pub(crate) resources: BTreeMap<Name, Prefixes<Program>>,
}

impl RuleSet {
    /// Puts the rules of a configuration together.
    ///
    /// # Errors
    /// All problems at once, 1000 at most: texts that break the grammar or a limit, references to
    /// rules that do not exist or in a circle, unknown methods, patterns, windows and prefixes that
    /// cannot be used, `not` before what asks for a factor.
    pub fn compile(configuration: &Configuration) -> Result<Self, Vec<RuleProblem>> {
        crate::compile::compile(configuration)
    }

    /// Decides on one request; `None` where there is no resource of that name. A session that has
    /// ended at `now` is none.
    ///
    /// **Law:** for all requests `a`, `b` to a resource, if the decision on `a` at a moment has
    /// `reads` that hold for `b`, then the decision on `b` by the same session at any later moment
    /// before its `valid_until` is the same.
    #[must_use]
    pub fn decide(
        &self,
        resource: &Name,
        session: Option<&SessionFacts>,
        request: &RequestFacts,
        now: Timestamp,
    ) -> Option<Decision> {
        let mut evaluation = Evaluation::new(session, request, now);
        let value = self.evaluate(resource, request, &mut evaluation, |_, _| {})?;
        Some(self.decision(value, evaluation))
    }

    /// Decides, and says what became of each condition: for operators, not for users.
    #[must_use]
    pub fn explain(
        &self,
        resource: &Name,
        session: Option<&SessionFacts>,
        request: &RequestFacts,
        now: Timestamp,
    ) -> Option<Explanation> {
        let mut evaluation = Evaluation::new(session, request, now);
        let mut seen = Vec::new();
        let value = self.evaluate(resource, request, &mut evaluation, |index, value| {
            seen.push((index, value.clone()));
        })?;
        let terms = seen.iter().filter_map(|(index, value)| self.explained(*index, value)).collect();
        Some(Explanation { decision: self.decision(value, evaluation), terms })
    }

    /// The names (lower case) of the headers that the rules of a resource read: an access point
    /// must send these along. Sorted; empty where there is no such resource.
    #[must_use]
    pub fn decision_headers(&self, resource: &Name) -> Vec<String> {
        let programs = self.resources.get(resource).map(Prefixes::values).unwrap_or_default();
        let terms = programs.into_iter().flat_map(Program::terms).filter_map(|term| self.terms.get(term));
        let names: BTreeSet<&String> = terms
            .filter_map(|term| if let Test::Header { name, .. } = &term.test { Some(name) } else { None })
            .collect();
        names.into_iter().cloned().collect()
    }

    fn evaluate(
        &self,
        resource: &Name,
        request: &RequestFacts,
        evaluation: &mut Evaluation<'_>,
        mut seen: impl FnMut(usize, &Value),
    ) -> Option<Value> {
        let prefixes = self.resources.get(resource)?;
        let program =
            prefixes.find(request.path.path(), |prefix, is_under| evaluation.path_asked(prefix, is_under));
        Some(program.run(|index| {
            let value = match self.terms.get(index) {
                Some(term) => Value { outcome: evaluation.look(&term.test), decider: index },
                None => Value::CLOSED,
            };
            seen(index, &value);
            value
        }))
    }

    fn decision(&self, value: Value, evaluation: Evaluation<'_>) -> Decision {
        let because = self.because(value.decider);
        let verdict = match value.outcome {
            Outcome::Holds => Verdict::Permit,
            Outcome::Needs(ways) => Verdict::SignIn { sequences: value::sequences(ways) },
            Outcome::Fails => {
                let sort = self.terms.get(value.decider).map(|term| term.test.sort());
                let reason = sort.unwrap_or(crate::condition::Sort::Nobody).reason();
                Verdict::Deny { reason: reason.to_owned() }
            }
        };
        let (reads, valid_until) = evaluation.finish();
        Decision { verdict, reads, valid_until, because }
    }

    fn because(&self, term: usize) -> String {
        self.placed(term).map(|(text, place, at)| format!("`{text}` in `{place}`, {at}")).unwrap_or_default()
    }

    fn explained(&self, index: usize, value: &Value) -> Option<ExplainedTerm> {
        let (text, place, at) = self.placed(index)?;
        Some(ExplainedTerm {
            text: text.to_owned(),
            place: place.clone(),
            at,
            outcome: (&value.outcome).into(),
        })
    }

    fn placed(&self, term: usize) -> Option<(&str, &Place, Position)> {
        let term = self.terms.get(term)?;
        let source = self.sources.get(term.source)?;
        let text = source.text.get(term.span.start..term.span.end)?;
        Some((text, &source.place, Position::of(&source.text, term.span.start)))
    }
}
