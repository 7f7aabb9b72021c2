//! Jobs that no event of the workflow can ever start.

use super::contexts::{needs_of, parse_any};
use super::{Walk, codes};
use crate::expression::{Comparison, Function, Node, NodeKind};
use crate::forecast::filter;
use crate::language::Token;
use crate::template::{Segment, segments};
use crate::trigger::Filter;
use crate::value::equals_ignoring_case;

/// An event under `on:`, as far as conditions ask about it.
struct Start<'a> {
    name: String,
    config: Option<&'a Token>,
}

impl Walk<'_> {
    /// Jobs whose condition is false for every event, and those that need them.
    pub(super) fn unreachable(&mut self, on: Option<&Token>, jobs: &Token) {
        let starts = on.map(starts).unwrap_or_default();
        let mut never: Vec<String> = Vec::new();
        for (id, job) in jobs.entries() {
            let Some(condition) = job.get("if") else { continue };
            if let Some(message) = never_true(condition, &starts) {
                self.report(&codes::NEVER_RUNS, condition, message, None);
                never.push(id.text());
            }
        }
        // A job may stand before those that it needs: as long as one more is found, another may be.
        let mut left: Vec<&(Token, Token)> = jobs.entries().iter().collect();
        while let Some(at) = left.iter().position(|(id, job)| {
            !is_among(&never, &id.text())
                && !runs_all_the_same(job)
                && needs_of(job).iter().any(|need| is_among(&never, need))
        }) {
            let (id, job) = left.remove(at);
            let needs = needs_of(job);
            let need = needs.iter().find(|need| is_among(&never, need));
            let message = format!(
                "the job `{}` needs `{}`, which never runs",
                id.text(),
                need.map_or("", String::as_str)
            );
            let hint = "say `if: ${{ !cancelled() }}` if it is to run without".to_owned();
            self.report(&codes::NEVER_RUNS, id, message, Some(hint));
            never.push(id.text());
        }
    }
}

fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|known| equals_ignoring_case(known, name))
}

/// Whether a job asks how things went, so that one that was skipped need not hold it up.
fn runs_all_the_same(job: &Token) -> bool {
    let Some(source) = job.get("if").and_then(expression) else { return false };
    // A condition that cannot be read says nothing.
    parse_any(&source).map_or(true, |node| node.is_some_and(|node| node.asks_for_status()))
}

/// The events of `on:`; none when a workflow can be called, for then the events are its callers'.
fn starts(on: &Token) -> Vec<Start<'_>> {
    let bare = on.items().iter().chain(on.as_str().map(|_| on)).map(|name| (name, None));
    let with_more = on.entries().iter().map(|(name, config)| (name, Some(config)));
    let starts: Vec<Start<'_>> =
        bare.chain(with_more).map(|(name, config)| Start { name: name.text(), config }).collect();
    if starts.iter().any(|start| start.name == "workflow_call") { Vec::new() } else { starts }
}

/// The expression of a condition; `None` when it is a text around one, which is always true.
fn expression(condition: &Token) -> Option<String> {
    let source = condition.source();
    match segments(&source).ok()?.as_slice() {
        [Segment::Expression(span)] => Some(source[span.clone()].to_owned()),
        [Segment::Text(_)] => Some(source.trim().to_owned()),
        _ => None,
    }
}

/// Why a condition is false whatever happens.
fn never_true(condition: &Token, starts: &[Start<'_>]) -> Option<String> {
    let source = expression(condition)?;
    let node = parse_any(&source).ok()??;
    if verdict(&node, None) == Some(false) {
        return Some("this is false whatever happens, so the job never runs".to_owned());
    }
    let is_never =
        !starts.is_empty() && starts.iter().all(|start| verdict(&node, Some(start)) == Some(false));
    is_never.then(|| {
        let names: Vec<&str> = starts.iter().map(|start| start.name.as_str()).collect();
        let names = names.join(", ");
        format!("this is false for every event of `on:` ({names}), so the job never runs")
    })
}

/// What a condition comes to for an event, as far as the file alone tells.
fn verdict(node: &Node<'_>, start: Option<&Start<'_>>) -> Option<bool> {
    match &node.kind {
        NodeKind::Bool(value) => Some(*value),
        NodeKind::Null => Some(false),
        NodeKind::Not(operand) => verdict(operand, start).map(|value| !value),
        NodeKind::And(all) => joined(all, start, false),
        NodeKind::Or(all) => joined(all, start, true),
        NodeKind::Compare { operator, left, right } => {
            let (name, text) = of_github(left, right).or_else(|| of_github(right, left))?;
            let equals = equals(name, text, start?)?;
            match operator {
                Comparison::Equal => Some(equals),
                Comparison::NotEqual => Some(!equals),
                _ => None,
            }
        }
        NodeKind::Call { function: Function::Always, .. } => Some(true),
        _ => None,
    }
}

/// The verdict on several operands, of which one with the value `decisive` decides.
fn joined(all: &[Node<'_>], start: Option<&Start<'_>>, decisive: bool) -> Option<bool> {
    let verdicts: Vec<Option<bool>> = all.iter().map(|one| verdict(one, start)).collect();
    if verdicts.contains(&Some(decisive)) {
        return Some(decisive);
    }
    verdicts.iter().all(Option::is_some).then_some(!decisive)
}

/// The `ref` of `github.ref == 'x'`, and the text.
fn of_github<'n>(owner: &'n Node<'_>, text: &'n Node<'_>) -> Option<(&'n str, &'n str)> {
    let (NodeKind::Index { target, index }, NodeKind::Text(text)) = (&owner.kind, &text.kind)
    else {
        return None;
    };
    match (&target.kind, &index.kind) {
        (NodeKind::Context(context), NodeKind::Text(name))
            if context.eq_ignore_ascii_case("github") =>
        {
            Some((name, text))
        }
        _ => None,
    }
}

/// Whether a property of `github` equals a text when this event starts the workflow.
fn equals(name: &str, text: &str, start: &Start<'_>) -> Option<bool> {
    match name.to_ascii_lowercase().as_str() {
        "event_name" => Some(equals_ignoring_case(text, &start.name)),
        "ref" if start.name == "push" && !may_be_pushed(text, start.config) => Some(false),
        _ => None,
    }
}

/// Whether a push of this ref can start the workflow. Capitals do not count when refs are compared and
/// do count in filters, so that a name with capitals is not judged.
fn may_be_pushed(reference: &str, config: Option<&Token>) -> bool {
    let (branches, tags) = (filter(config, "branches"), filter(config, "tags"));
    let (of_kind, of_other, name) = match reference.split_at_checked("refs/heads/".len()) {
        Some(("refs/heads/", name)) => (branches, tags, name),
        _ => match reference.strip_prefix("refs/tags/") {
            Some(name) => (tags, branches, name),
            None => return true,
        },
    };
    if name.chars().any(char::is_uppercase) {
        return true;
    }
    match (of_kind, of_other) {
        (Some(filter), _) => filter.admits(name) || has_capitals(&filter),
        // With filters for the one kind only, nothing of the other kind starts it.
        (None, Some(_)) => false,
        (None, None) => true,
    }
}

fn has_capitals(filter: &Filter) -> bool {
    let (Filter::Only(patterns) | Filter::Ignore(patterns)) = filter;
    patterns.iter().any(|pattern| pattern.chars().any(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use crate::lint::{Surroundings, check};

    /// The lines at which jobs of a workflow are said never to run.
    fn found(on: &str, condition: &str) -> Vec<u32> {
        let text = format!(
            "on: {on}\njobs:\n  late:\n    needs: a\n    runs-on: ubuntu-latest\n    steps: [{{ run: x }}]\n  a:\n    if: {condition}\n    runs-on: ubuntu-latest\n    steps: [{{ run: x }}]\n  after:\n    needs: [late]\n    if: always()\n    runs-on: ubuntu-latest\n    steps: [{{ run: x }}]\n"
        );
        let findings = check("w.yml", &text, &Surroundings::NOTHING);
        let lines = findings.iter().map(|finding| {
            assert_eq!(finding.code.id, "QX1021", "{}", finding.diagnostic);
            finding.diagnostic.line
        });
        lines.collect()
    }

    #[test]
    fn a_condition_that_no_event_fulfils_is_found_with_the_jobs_that_need_it() {
        const NEVER: [u32; 2] = [3, 8];
        let pushes = "{ push: { branches: [main, 'release/**', '!release/old'] } }";
        for (on, condition) in [
            ("push", "github.event_name == 'pull_request'"),
            ("[push, pull_request]", "github.event_name == 'release' && success()"),
            ("push", "github.event_name != 'PUSH' || false"),
            (pushes, "github.ref == 'refs/heads/develop'"),
            (pushes, "\"'refs/heads/release/old' == github.ref\""),
            (pushes, "github.ref == 'refs/tags/v1'"),
            ("{ push: { branches-ignore: [develop] } }", "github.ref == 'refs/heads/develop'"),
            ("push", "github.sha && false"),
        ] {
            assert_eq!(found(on, condition), NEVER, "{on}: {condition}");
        }
    }

    #[test]
    fn a_condition_that_some_event_may_fulfil_is_left_alone() {
        let pushes = "{ push: { branches: [main, 'release/**'] } }";
        for (on, condition) in [
            ("[push, pull_request]", "github.event_name == 'pull_request'"),
            ("{ workflow_call: }", "github.event_name == 'push'"),
            ("{ push: { branches: [main] }, workflow_dispatch: }", "github.ref == 'refs/heads/x'"),
            (pushes, "github.ref == 'refs/heads/release/2'"),
            (pushes, "github.ref == 'refs/heads/Main'"),
            ("push", "github.ref == 'refs/tags/v1'"),
            ("{ push: { branches: [main], tags: ['v*'] } }", "github.ref == 'refs/tags/v1'"),
            ("push", "github.event_name == 'push' && github.actor == 'x'"),
            ("push", "\"!(github.event_name == 'schedule')\""),
        ] {
            assert_eq!(found(on, condition), [0; 0], "{on}: {condition}");
        }
    }
}
