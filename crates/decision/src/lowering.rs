//! Turns what is written into what is evaluated: expressions into steps, conditions into tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use evergate_model::Name;
use evergate_model::factor::{Factor, WantedFactor};
use jiff::tz::TimeZoneDatabase;
use regex::bytes::{Regex, RegexBuilder};

use crate::condition::Condition;
use crate::limits;
use crate::problem::{Place, Position, Problems, RuleProblem};
use crate::program::{Step, Term, Test};
use crate::rule::{self, Expression, Rule, Span};
use crate::window::Window;

/// A rule's text, and where it stands in the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// All steps, terms and texts of a configuration, as far as they have been made.
pub(crate) struct Lowering {
    pub(crate) steps: Vec<Step>,
    pub(crate) terms: Vec<Term>,
    pub(crate) sources: Vec<Source>,
    pub(crate) problems: Problems,
    /// The last step of each named rule; `None` for one that is wrong itself.
    pub(crate) named: BTreeMap<Name, Option<usize>>,
    /// Of each step: whether it, or one that it uses, is a factor.
    asks: Vec<bool>,
    patterns: BTreeMap<String, Result<Arc<Regex>, String>>,
    windows: BTreeMap<String, Result<Arc<Window>, String>>,
    zones: TimeZoneDatabase,
}

impl Lowering {
    pub(crate) fn new() -> Self {
        Self {
            steps: Vec::new(),
            terms: Vec::new(),
            sources: Vec::new(),
            problems: Problems::default(),
            named: BTreeMap::new(),
            asks: Vec::new(),
            patterns: BTreeMap::new(),
            windows: BTreeMap::new(),
            zones: TimeZoneDatabase::bundled(),
        }
    }

    /// The last step of `rule`; `None` if something in it is wrong, which is then reported.
    pub(crate) fn rule(&mut self, place: Place, rule: &Rule) -> Option<usize> {
        self.sources.push(Source { place, text: rule.text.clone() });
        self.expression(&rule.expression)
    }

    /// Reports what is wrong at a place in the text looked at last.
    fn report(&mut self, span: Span, message: String) {
        if let Some(source) = self.sources.last() {
            self.problems.add(|| {
                let at = Position::of(&source.text, span.start);
                RuleProblem::new(&source.place, Some(at), message)
            });
        }
    }

    fn expression(&mut self, expression: &Expression) -> Option<usize> {
        match expression {
            Expression::All(parts) => self.parts(parts).map(|parts| self.step(Step::All(parts))),
            Expression::Any(parts) => self.parts(parts).map(|parts| self.step(Step::Any(parts))),
            Expression::Reference(name, span) => self.reference(name, *span),
            Expression::Term(term, span) => {
                let test = self.test(term, *span)?;
                let source = self.sources.len().saturating_sub(1);
                self.terms.push(Term { test, source, span: *span });
                Some(self.step(Step::Term(self.terms.len() - 1)))
            }
            Expression::Not(inner, span) => {
                let inner = self.expression(inner)?;
                if self.asks.get(inner).copied().unwrap_or(true) {
                    let message =
                        "`not` applies to conditions only, and the rule named here asks for a factor";
                    self.report(*span, message.to_owned());
                    return None;
                }
                Some(self.step(Step::Not(inner)))
            }
        }
    }

    /// Every part is lowered, also after one that is wrong, so that all problems are found.
    fn parts(&mut self, parts: &[Expression]) -> Option<Box<[usize]>> {
        let parts: Vec<Option<usize>> = parts.iter().map(|part| self.expression(part)).collect();
        parts.into_iter().collect()
    }

    fn reference(&mut self, name: &Name, span: Span) -> Option<usize> {
        match self.named.get(name) {
            Some(step) => *step,
            None => {
                self.report(span, format!("there is no rule `{name}`"));
                None
            }
        }
    }

    fn step(&mut self, step: Step) -> usize {
        let asks = |index: &usize| self.asks.get(*index).copied().unwrap_or(true);
        let asks = match &step {
            Step::All(parts) | Step::Any(parts) => parts.iter().any(asks),
            Step::Not(part) => asks(part),
            Step::Term(term) => {
                matches!(self.terms.get(*term), Some(Term { test: Test::Factor(_), .. }))
            }
        };
        self.asks.push(asks);
        self.steps.push(step);
        self.steps.len() - 1
    }

    fn test(&mut self, term: &rule::Term, span: Span) -> Option<Test> {
        match term {
            rule::Term::Anyone => Some(Test::Anyone),
            rule::Term::Factor(WantedFactor { factor: Factor::Method(name), .. }) => {
                let message = format!("there is no method `{name}`, nor a condition of that name");
                self.report(span, message);
                None
            }
            rule::Term::Factor(wanted) => Some(Test::Factor(wanted.clone())),
            rule::Term::Condition(condition) => self.condition(condition, span),
        }
    }

    fn condition(&mut self, condition: &Condition, span: Span) -> Option<Test> {
        Some(match condition.clone() {
            Condition::Group(name) => Test::Group(name),
            // Names that users sign in by are kept so, in whatever spelling of case they are typed.
            Condition::User(name) => Test::User(name.trim().to_lowercase()),
            Condition::Client(networks) => Test::Client(networks),
            Condition::AccessPoint(name) => Test::AccessPoint(name),
            Condition::PathUnder(prefix) => Test::PathUnder(prefix),
            Condition::RequestMethod(methods) => Test::RequestMethod(methods),
            Condition::Header { name, pattern } => {
                let pattern = self.pattern(&pattern);
                Test::Header { name, pattern: self.good(pattern, span)? }
            }
            Condition::Time(text) => {
                let window = self.window(&text);
                Test::Time(self.good(window, span)?)
            }
        })
    }

    fn good<T>(&mut self, made: Result<T, String>, span: Span) -> Option<T> {
        made.map_err(|message| self.report(span, message)).ok()
    }

    /// The compiled pattern; one that occurs often is compiled once.
    fn pattern(&mut self, text: &str) -> Result<Arc<Regex>, String> {
        if let Some(known) = self.patterns.get(text) {
            return known.clone();
        }
        if self.patterns.len() >= limits::PATTERNS {
            return Err(format!("the configuration holds more than {} different patterns", limits::PATTERNS));
        }
        let compiled = RegexBuilder::new(text)
            .unicode(false)
            .size_limit(limits::PATTERN_SIZE)
            .dfa_size_limit(limits::PATTERN_SIZE)
            .build()
            .map(Arc::new)
            .map_err(|error| format!("the pattern cannot be used: {}", one_line(&error)));
        self.patterns.insert(text.to_owned(), compiled.clone());
        compiled
    }

    fn window(&mut self, text: &str) -> Result<Arc<Window>, String> {
        if let Some(known) = self.windows.get(text) {
            return known.clone();
        }
        let window = Window::parse(text, &self.zones).map(Arc::new).map_err(|error| error.to_string());
        self.windows.insert(text.to_owned(), window.clone());
        window
    }
}

/// The last line of a pattern's error is what is wrong; those before it draw where.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
