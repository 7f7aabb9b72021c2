//! Approving and rejecting what waits for an environment.

use qnt9_model::fact::{Fact, Subjects};
use qnt9_model::policy::ApprovalRule;
use qnt9_model::why::Holds;
use qnt9_model::{EnvironmentName, Millis, Refusal, Role, RunId, UserText};

use super::On;
use crate::gates::{Gate, excluded};
use crate::rollback::RollbackPlan;
use crate::state::{LegPhase, LegState, Run};

pub(super) fn approve(
    on: &On<'_>,
    run: RunId,
    environment: &EnvironmentName,
    seen: Option<&Subjects>,
    comment: Option<&str>,
) -> Result<Vec<Fact>, Refusal> {
    let person = on.person("approve a deployment", Role::Approver)?;
    let (run, legs, gate) = waiting(on, run, environment)?;
    let rules = approver_of(on, run, &gate, person)?;
    let subjects = gate.subjects();
    if let Some(change) = seen.and_then(|seen| change(seen, &subjects)) {
        return Err(Refusal::SubjectsChanged { change });
    }
    // A run may have several jobs that wait for this environment, and one of them may have come after
    // the person's approval of the others.
    let has_approved = |leg: &&LegState| {
        leg.approvals.iter().any(|a| a.approved && a.person == person && a.subjects == subjects)
    };
    if legs.iter().all(has_approved) {
        return Err(Refusal::ApprovedAlready {
            person: person.to_owned(),
            commit: run.commit.short().to_owned(),
            environment: environment.clone(),
            missing: missing(&gate, &rules, on.now),
        });
    }
    Ok(vec![Fact::ApprovalGiven {
        run: run.id,
        environment: environment.clone(),
        person: person.to_owned(),
        subjects,
        comment: comment.map(UserText::from),
        rollback_plan: Some(RollbackPlan::of_run(on.project, run, environment).digest()),
    }])
}

pub(super) fn reject(
    on: &On<'_>,
    run: RunId,
    environment: &EnvironmentName,
    comment: Option<&str>,
) -> Result<Vec<Fact>, Refusal> {
    let person = on.person("reject a deployment", Role::Approver)?;
    let (run, _, gate) = waiting(on, run, environment)?;
    listed(run, &gate, person)?;
    Ok(vec![Fact::ApprovalRejected {
        run: run.id,
        environment: environment.clone(),
        person: person.to_owned(),
        comment: comment.map(UserText::from),
    }])
}

/// The approval rules that list a person; one of them must.
fn listed<'a>(run: &Run, gate: &Gate<'a>, person: &str) -> Result<Vec<&'a ApprovalRule>, Refusal> {
    let environment = gate.environment;
    let rules = gate.approval_rules();
    if rules.is_empty() {
        let note = Some(format!("{environment} needs no approval"));
        return Err(Refusal::NothingWaits { run: run.id, environment: environment.clone(), note });
    }
    let lists = |rule: &&&ApprovalRule| rule.from.iter().any(|name| name == person);
    let listed: Vec<&ApprovalRule> = rules.iter().filter(lists).copied().collect();
    if listed.is_empty() {
        let mut from: Vec<&str> =
            rules.iter().flat_map(|rule| &rule.from).map(String::as_str).collect();
        from.sort_unstable();
        from.dedup();
        let (person, environment) = (person.to_owned(), environment.clone());
        return Err(Refusal::NotApprover { person, environment, from: from.join(", ") });
    }
    Ok(listed)
}

/// The rules that list a person and do not exclude them; there must be one.
fn approver_of<'a>(
    on: &On<'_>,
    run: &Run,
    gate: &Gate<'a>,
    person: &str,
) -> Result<Vec<&'a ApprovalRule>, Refusal> {
    let environment = gate.environment;
    let (mut open, mut because) = (Vec::new(), None);
    for rule in listed(run, gate, person)? {
        match excluded(on.platform, on.project, run, environment, rule).remove(person) {
            None => open.push(rule),
            Some(acts) => because = Some(acts),
        }
    }
    match because {
        Some(because) if open.is_empty() => Err(Refusal::Excluded {
            person: person.to_owned(),
            commit: run.commit.short().to_owned(),
            environment: environment.clone(),
            because,
        }),
        _ => Ok(open),
    }
}

/// What became different between what a person saw and what there is.
fn change(seen: &Subjects, now: &Subjects) -> Option<String> {
    let mut changes = Vec::new();
    let mut compare = |what: &str, seen: Option<String>, now: Option<String>| {
        if seen != now {
            let [seen, now] = [seen, now].map(|one| one.unwrap_or_else(|| "none".to_owned()));
            changes.push(format!("the {what} was {seen} and is {now}"));
        }
    };
    let release = |of: &Subjects| of.release.as_ref().map(|release| release.short());
    compare("release", release(seen), release(now));
    compare("plan", seen.plan.clone(), now.plan.clone());
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// What is missing beside an approval that was given already.
fn missing(gate: &Gate<'_>, rules: &[&ApprovalRule], now: Millis) -> String {
    let missing = rules.iter().find_map(|rule| {
        let why = gate.approvals(rule, now);
        let given = why.of.iter().filter(|part| part.holds == Holds::Yes).count();
        let missing = (rule.needed as usize).saturating_sub(given);
        (missing > 0).then(|| format!("{missing} more of {}", why.who.join(", ")))
    });
    missing.unwrap_or_else(|| "nothing more from people".to_owned())
}

/// The legs of the run that wait for this environment, with the gate of the first.
fn waiting<'a>(
    on: &On<'a>,
    run: RunId,
    environment: &'a EnvironmentName,
) -> Result<(&'a Run, Vec<&'a LegState>, Gate<'a>), Refusal> {
    let run = on.run(run)?;
    if let Some((by, over)) = &run.superseded {
        let how = format!("superseded by run {by} in {over}");
        return Err(Refusal::RunOver { run: run.id, how });
    }
    let in_environment = |leg: &&LegState| leg.leg.environment.as_ref() == Some(environment);
    let mut legs = run.legs.values().filter(in_environment);
    if let Some((outcome, _)) = run.finished {
        let how = legs.find_map(|leg| leg.reason.clone());
        let how = how.unwrap_or_else(|| outcome.word().to_owned());
        return Err(Refusal::RunOver { run: run.id, how });
    }
    let waiting: Vec<&LegState> = legs.clone().filter(|leg| leg.phase == LegPhase::Gated).collect();
    let gate = waiting.first().and_then(|leg| Gate::of(on.platform, on.project, run, leg));
    match gate {
        Some(gate) => Ok((run, waiting, gate)),
        None => {
            let note = legs.next().map(|leg| match &leg.reason {
                Some(reason) => reason.clone(),
                None => super::stands(leg),
            });
            let environment = environment.clone();
            Err(Refusal::NothingWaits { run: run.id, environment, note })
        }
    }
}
