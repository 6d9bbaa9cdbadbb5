//! Brings named rules into an order in which each comes after those it refers to, and finds the
//! circles for which there is no such order.

use std::collections::BTreeMap;

use evergate_model::Name;

use crate::rule::{Expression, Rule, Span};

/// The order, and what stands in its way.
pub(crate) struct Order<'a> {
    /// Every rule that is in no circle and refers to none, each after those it refers to.
    pub(crate) names: Vec<&'a Name>,
    /// The circles, each once: the names, and the reference in the first that begins it.
    pub(crate) circles: Vec<(Vec<&'a Name>, Span)>,
}

/// The references of an expression, in the order written.
pub(crate) fn references(expression: &Expression) -> Vec<(&Name, Span)> {
    let mut found = Vec::new();
    collect(expression, &mut found);
    found
}

fn collect<'a>(expression: &'a Expression, found: &mut Vec<(&'a Name, Span)>) {
    match expression {
        Expression::All(parts) | Expression::Any(parts) => {
            parts.iter().for_each(|part| collect(part, found));
        }
        Expression::Not(inner, _) => collect(inner, found),
        Expression::Reference(name, span) => found.push((name, *span)),
        Expression::Term(..) => {}
    }
}

enum State {
    /// On the path from the rule begun with to the one looked at, at this depth.
    Open(usize),
    /// Looked at; whether it has a place in the order.
    Done(bool),
}

struct Visit<'a> {
    name: &'a Name,
    references: std::vec::IntoIter<(&'a Name, Span)>,
    followed: Option<Span>,
    is_good: bool,
}

/// Orders `rules` (depth first, with a stack of our own: a chain may be 100,000 rules long).
/// References to rules that are not there count as good: they are reported elsewhere.
pub(crate) fn order(rules: &BTreeMap<Name, Rule>) -> Order<'_> {
    let mut order = Order { names: Vec::new(), circles: Vec::new() };
    let mut states: BTreeMap<&Name, State> = BTreeMap::new();
    for (name, rule) in rules {
        if states.contains_key(name) {
            continue;
        }
        let mut path = vec![visit(name, rule, &mut states, 0)];
        while let Some(current) = path.last_mut() {
            let Some((next, span)) = current.references.next() else {
                let (name, is_good) = (current.name, current.is_good);
                path.pop();
                states.insert(name, State::Done(is_good));
                if is_good {
                    order.names.push(name);
                }
                if let Some(parent) = path.last_mut() {
                    parent.is_good &= is_good;
                }
                continue;
            };
            current.followed = Some(span);
            match (states.get(next), rules.get_key_value(next)) {
                (Some(State::Done(is_good)), _) => current.is_good &= is_good,
                (Some(State::Open(depth)), _) => {
                    current.is_good = false;
                    let circle = path.get(*depth..).unwrap_or_default();
                    let begin = circle.first().and_then(|visit| visit.followed).unwrap_or_default();
                    order.circles.push((circle.iter().map(|visit| visit.name).collect(), begin));
                }
                (None, Some((next, rule))) => {
                    let depth = path.len();
                    path.push(visit(next, rule, &mut states, depth));
                }
                (None, None) => {}
            }
        }
    }
    order
}

fn visit<'a>(
    name: &'a Name,
    rule: &'a Rule,
    states: &mut BTreeMap<&'a Name, State>,
    depth: usize,
) -> Visit<'a> {
    states.insert(name, State::Open(depth));
    let references = references(&rule.expression).into_iter();
    Visit { name, references, followed: None, is_good: true }
}
