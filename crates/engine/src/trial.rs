//! Rules before they bite: could this person deploy this, at that time? And which deployments would
//! other rules have blocked?
//!
//! Both put a job before the very gates that real jobs stand before, on a copy of the state. Nothing
//! is decided and nothing is kept.

use qnt9_model::fact::{Cause, Fact, Leg};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{
    Actor, Entry, EnvironmentName, JobKey, Millis, Policy, Role, RunId, Sha, StreamId, UserText,
};
use serde_json::json;

use crate::apply::apply;
use crate::gates::Gate;
use crate::state::{LegPhase, LegState, Platform, Project, State};

/// The name of the job that is put before the gates.
const JOB: &str = "policy test";
/// Long enough not to matter.
const TIMEOUT_MS: i64 = 6 * 60 * 60 * 1000;

/// Who wants to deploy what, where, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who would dispatch it.
    pub person: String,
    /// The commit.
    pub commit: Sha,
    /// Where.
    pub environment: EnvironmentName,
    /// At what moment.
    pub at: Millis,
}

/// Whether the wish could come true at its moment: its gates as they would stand, for a job that was
/// asked for early enough that its wait is over then. `None` when there is no such project.
#[must_use]
pub fn could(state: &State, stream: &StreamId, wish: &Wish) -> Option<Why> {
    let project = state.projects.get(stream)?;
    let mut parts = vec![may_dispatch(&state.platform, &wish.person)];
    let rule = format!("{} deploys {} to {}", wish.person, wish.commit.short(), wish.environment);
    let Some(reference) = reference(project, &wish.commit) else {
        let known = format!("a branch has commit {}", wish.commit.short());
        parts.push(Why::leaf(known, Holds::No).because("no branch of this project has it"));
        return Some(Why::all(rule, parts));
    };
    let copy = rehearsed(state, stream, wish, reference);
    let project = copy.projects.get(stream)?;
    let run = project.runs.get(&RunId(project.sequence - 2))?;
    let leg = run.legs.get(&JobKey::from(JOB))?;
    let gate = Gate::of(&copy.platform, project, run, leg)?;
    parts.extend(gate.why(wish.at).of);
    Some(Why::all(rule, parts))
}

/// Whether a wish comes true when everybody who can approve does: nothing stands against it, and
/// nothing is missing that people cannot give at once.
#[must_use]
pub fn is_possible(why: &Why) -> bool {
    match why.holds {
        Holds::Yes => true,
        Holds::No | Holds::Barred => false,
        Holds::NotYet if why.of.is_empty() || !why.who.is_empty() => !why.who.is_empty(),
        Holds::NotYet => why.of.iter().all(is_possible),
    }
}

/// How the gates of a job would stand under other rules at a moment when it was let through. `state`
/// is that of the moment; `None` when it knows no such job of an environment.
#[must_use]
pub fn under(
    state: &State,
    stream: &StreamId,
    job: (RunId, &JobKey),
    rules: &Policy,
    at: Millis,
) -> Option<Why> {
    let mut project = state.projects.get(stream)?.clone();
    let commit =
        project.policy.as_ref().map_or_else(|| Sha::from(""), |(commit, _)| commit.clone());
    project.policy = Some((commit, rules.clone()));
    let run = project.runs.get(&job.0)?;
    let leg = LegState { phase: LegPhase::Gated, opened: None, ..run.legs.get(job.1)?.clone() };
    Some(Gate::of(&state.platform, &project, run, &leg)?.why(at))
}

fn may_dispatch(platform: &Platform, person: &str) -> Why {
    let rule = format!("{person} may dispatch");
    match platform.people.get(person).map(|known| known.role) {
        Some(role) if role >= Role::Developer => {
            Why::leaf(rule, Holds::Yes).because(format!("has the role {role}"))
        }
        Some(role) => Why::leaf(rule, Holds::No).because(format!("has the role {role}")),
        None => Why::leaf(rule, Holds::No).because("nobody of that name is known here"),
    }
}

/// A branch that has the commit; the default one if it does.
fn reference(project: &Project, commit: &Sha) -> Option<String> {
    let default = format!("refs/heads/{}", project.default_branch);
    let branches = project.refs.iter().filter(|(name, _)| name.starts_with("refs/heads/"));
    let mut has: Vec<&String> = branches
        .filter(|(_, head)| {
            project.commits_between(None, head).iter().any(|known| known.sha == *commit)
        })
        .map(|(name, _)| name)
        .collect();
    has.sort_by_key(|name| **name != default);
    has.first().map(|name| (*name).clone())
}

/// The state with a run of the wish whose one job stands before its gates.
fn rehearsed(state: &State, stream: &StreamId, wish: &Wish, reference: String) -> State {
    let mut copy = State { platform: state.platform.clone(), ..State::default() };
    copy.projects.extend(state.projects.get_key_value(stream).map(|(s, p)| (s.clone(), p.clone())));
    let project = &copy.projects[stream];
    let wait =
        project.policy.as_ref().and_then(|(_, policy)| policy.environment(&wish.environment));
    let asked = wish.at.plus(-wait.map_or(0, |rules| project.scaled(rules.wait_ms)));
    let run = RunId(project.sequence + 1);
    let text = |text: &str| UserText::from(text);
    let leg = Leg {
        job: JobKey::from(JOB),
        name: JOB.to_owned(),
        index: 0,
        matrix: text("{}"),
        environment: Some(wish.environment.clone()),
        continue_on_error: false,
        timeout_ms: TIMEOUT_MS,
        concurrency: None,
    };
    let facts = [
        Fact::RunCreated {
            path: JOB.to_owned(),
            name: JOB.to_owned(),
            title: text(JOB),
            number: 1,
            cause: Cause::Dispatch { by: wish.person.clone() },
            reference,
            commit: wish.commit.clone(),
            event: text("{}"),
            inputs: Vec::new(),
            workflow: json!({}),
            concurrency: None,
            repeat: None,
        },
        Fact::RunStarted { run },
        Fact::JobPlanned {
            run,
            key: JOB.to_owned(),
            legs: vec![leg],
            fail_fast: false,
            max_parallel: None,
            condition: text("success()"),
        },
    ];
    for fact in facts {
        let sequence = copy.sequence(stream) + 1;
        let (stream, actor) = (stream.clone(), Actor::Platform);
        apply(&mut copy, &Entry { stream, sequence, time: asked, actor, fact });
    }
    copy
}
