//! Puts the rules of a configuration together, and finds everything that is wrong with them.

use std::collections::BTreeMap;

use evergate_model::configuration::Resource;
use evergate_model::{Configuration, Name};

use crate::limits;
use crate::lowering::Lowering;
use crate::parser::check_prefix;
use crate::prefixes::Prefixes;
use crate::problem::{Place, Position, RuleProblem};
use crate::program::Program;
use crate::references;
use crate::rule::Rule;
use crate::rule_set::RuleSet;

/// The rule set of `configuration`, or all that is wrong.
pub(crate) fn compile(configuration: &Configuration) -> Result<RuleSet, Vec<RuleProblem>> {
    let texts = configuration.rules.len()
        + configuration.resources.values().map(|resource| 1 + resource.paths.len()).sum::<usize>();
    if texts > limits::TEXTS {
        let message = format!("{texts} rules are more than the {} that are possible", limits::TEXTS);
        return Err(vec![RuleProblem::new(&Place::Configuration, None, message)]);
    }
    let mut compiler = Compiler { lowering: Lowering::new(), budget: limits::STEPS_TOGETHER };
    compiler.named_rules(configuration);
    let global = configuration.global_rule.as_deref().map(|text| compiler.text(Place::Global, text));
    let mut resources = BTreeMap::new();
    for (name, resource) in &configuration.resources {
        let made = compiler.resource(name, resource, global);
        resources.extend(made.map(|prefixes| (name.clone(), prefixes)));
    }
    let Lowering { terms, sources, problems, .. } = compiler.lowering;
    problems.into_all().map_or(Ok(RuleSet { sources, terms, resources }), Err)
}

struct Compiler {
    lowering: Lowering,
    /// How many steps the effective rules that are still to come may have together.
    budget: usize,
}

impl Compiler {
    fn named_rules(&mut self, configuration: &Configuration) {
        let mut rules = BTreeMap::new();
        for (name, text) in &configuration.rules {
            self.lowering.named.insert(name.clone(), None);
            rules.extend(self.parsed(&Place::Rule(name.clone()), text).map(|rule| (name.clone(), rule)));
        }
        let order = references::order(&rules);
        for (circle, begin) in order.circles {
            let Some((first, rule)) = circle.first().and_then(|first| rules.get_key_value(*first)) else {
                continue;
            };
            let names: Vec<String> =
                circle.iter().chain(circle.first()).take(20).map(|name| format!("`{name}`")).collect();
            let message = format!("the rules refer to each other in a circle: {}", names.join(" -> "));
            let at = Position::of(&rule.text, begin.start);
            self.problem(&Place::Rule(first.clone()), Some(at), message);
        }
        for name in order.names {
            let Some(rule) = rules.get(name) else { continue };
            let step = self.lowering.rule(Place::Rule(name.clone()), rule);
            self.lowering.named.insert(name.clone(), step);
        }
    }

    /// The rules of a resource: its own, and those of its paths. Each is joined with the global
    /// rule and the general ones.
    fn resource(
        &mut self,
        name: &Name,
        resource: &Resource,
        global: Option<Option<usize>>,
    ) -> Option<Prefixes<Program>> {
        let mut common: Vec<Option<usize>> = global.into_iter().collect();
        for general in &resource.general {
            common.push(self.general(name, general));
        }
        let place = Place::Resource(name.clone());
        let own = self.text(place.clone(), &resource.rule);
        let mut prefixes = self.effective(&place, &common, own).map(Prefixes::new);
        if resource.paths.len() > limits::PATHS {
            let message = format!("a resource has {} path rules at most", limits::PATHS);
            self.problem(&place, None, message);
            return None;
        }
        let mut paths: Vec<(&String, &String)> = resource.paths.iter().collect();
        paths.sort_by_key(|(prefix, _)| prefix.trim_end_matches('/').len());
        for (prefix, text) in paths {
            let place = Place::Path(name.clone(), prefix.clone());
            if let Err(message) = check_prefix(prefix) {
                self.problem(&place, None, message);
            }
            let own = self.text(place.clone(), text);
            let program = self.effective(&place, &common, own);
            let (Some(tree), Some(program)) = (prefixes.as_mut(), program) else { continue };
            if !tree.add(prefix, program) {
                self.problem(&place, None, "this prefix has another rule already".to_owned());
            }
        }
        prefixes
    }

    fn general(&mut self, resource: &Name, general: &Name) -> Option<usize> {
        if let Some(step) = self.lowering.named.get(general) {
            return *step;
        }
        self.problem(&Place::General(resource.clone()), None, format!("there is no rule `{general}`"));
        None
    }

    fn effective(&mut self, place: &Place, common: &[Option<usize>], own: Option<usize>) -> Option<Program> {
        let roots: Vec<usize> = common.iter().copied().chain([own]).collect::<Option<_>>()?;
        let Some(program) = Program::cut_out(&self.lowering.steps, &roots, limits::STEPS) else {
            let message = format!(
                "the rule, with the rules it refers to, has more than {} terms and joints",
                limits::STEPS
            );
            self.problem(place, None, message);
            return None;
        };
        let Some(budget) = self.budget.checked_sub(program.len()) else {
            let message = format!(
                "all rules together, with the rules they refer to, have more than {} terms and joints",
                limits::STEPS_TOGETHER
            );
            self.problem(place, None, message);
            return None;
        };
        self.budget = budget;
        Some(program)
    }

    fn text(&mut self, place: Place, text: &str) -> Option<usize> {
        let rule = self.parsed(&place, text)?;
        self.lowering.rule(place, &rule)
    }

    fn parsed(&mut self, place: &Place, text: &str) -> Option<Rule> {
        let problem = match Rule::parse(text) {
            Ok(rule) => return Some(rule),
            Err(error) => error,
        };
        self.problem(place, Some(problem.at), problem.message);
        None
    }

    fn problem(&mut self, place: &Place, at: Option<Position>, message: String) {
        self.lowering.problems.add(|| RuleProblem::new(place, at, message));
    }
}
