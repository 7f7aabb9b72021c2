//! Approving and rejecting what waits for an environment.

use qnt9_model::fact::Fact;
use qnt9_model::{EnvironmentName, Refusal, Role, RunId, UserText};

use super::On;
use crate::gates::{Gate, excluded};
use crate::state::{LegPhase, LegState, Run};

pub(super) fn approve(
    on: &On<'_>,
    run: RunId,
    environment: &EnvironmentName,
    comment: Option<&str>,
) -> Result<Vec<Fact>, Refusal> {
    let person = on.person("approve a deployment", Role::Approver)?;
    let (run, leg, gate) = waiting(on, run, environment)?;
    let Some(rule) = gate.approval_rule() else {
        let note = Some(format!("{environment} needs no approval"));
        return Err(Refusal::NothingWaits { run: run.id, environment: environment.clone(), note });
    };
    if !rule.from.iter().any(|name| name == person) {
        let (person, environment) = (person.to_owned(), environment.clone());
        return Err(Refusal::NotApprover { person, environment, from: rule.from.join(", ") });
    }
    let excluded = excluded(on.platform, on.project, run, environment, rule);
    if let Some(because) = excluded.get(person) {
        return Err(Refusal::Excluded {
            person: person.to_owned(),
            commit: run.commit.short().to_owned(),
            environment: environment.clone(),
            because: because.clone(),
        });
    }
    let subjects = gate.subjects();
    let given = |a: &&crate::state::Approval| a.approved && a.subjects == subjects;
    if leg.approvals.iter().filter(given).any(|a| a.person == person) {
        let have = leg.approvals.iter().filter(given).count();
        let missing = (rule.needed as usize).saturating_sub(have);
        return Err(Refusal::ApprovedAlready {
            person: person.to_owned(),
            commit: run.commit.short().to_owned(),
            environment: environment.clone(),
            missing: format!("{missing} more of {}", rule.from.join(", ")),
        });
    }
    Ok(vec![Fact::ApprovalGiven {
        run: run.id,
        environment: environment.clone(),
        person: person.to_owned(),
        subjects,
        comment: comment.map(UserText::from),
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
    if let Some(rule) = gate.approval_rule()
        && !rule.from.iter().any(|name| name == person)
    {
        let (person, environment) = (person.to_owned(), environment.clone());
        return Err(Refusal::NotApprover { person, environment, from: rule.from.join(", ") });
    }
    Ok(vec![Fact::ApprovalRejected {
        run: run.id,
        environment: environment.clone(),
        person: person.to_owned(),
        comment: comment.map(UserText::from),
    }])
}

/// The leg of the run that waits for this environment, with its gate.
fn waiting<'a>(
    on: &On<'a>,
    run: RunId,
    environment: &'a EnvironmentName,
) -> Result<(&'a Run, &'a LegState, Gate<'a>), Refusal> {
    let run = on.run(run)?;
    if let Some((by, over)) = &run.superseded {
        let how = format!("superseded by run {by} in {over}");
        return Err(Refusal::RunOver { run: run.id, how });
    }
    if let Some((outcome, _)) = run.finished {
        return Err(Refusal::RunOver { run: run.id, how: outcome.word().to_owned() });
    }
    let in_environment = |leg: &&LegState| leg.leg.environment.as_ref() == Some(environment);
    let mut legs = run.legs.values().filter(in_environment);
    match legs.clone().find(|leg| leg.phase == LegPhase::Gated) {
        Some(leg) => {
            let gate = Gate::of(on.platform, on.project, run, leg);
            let gate = gate.expect("the leg was chosen for having this environment");
            Ok((run, leg, gate))
        }
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
