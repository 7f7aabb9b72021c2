//! What the steps of a job say through the step commands. Each call has a key: asked again, it
//! changes nothing.

use qnt9_model::fact::Fact;
use qnt9_model::limits::CAUSE_CHARS_MAX;
use qnt9_model::{CallKey, Command, EnvironmentName, Refusal, Role, UserText};

use super::On;
use crate::gates;

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::Wait { call, for_ms, reason } => {
            on.caller("declare a wait", &call.attempt)?;
            if on.project.waits.contains_key(call) {
                return Ok(Vec::new());
            }
            let until = on.now.plus(on.project.scaled(*for_ms));
            Ok(vec![Fact::WaitDeclared {
                call: call.clone(),
                until,
                reason: UserText::from(reason.as_str()),
            }])
        }
        Command::DriveLoad { call, span } => {
            on.caller("drive load", &call.attempt)?;
            if on.project.loads.contains_key(call) {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::LoadDriven {
                call: call.clone(),
                started: span.started,
                finished: span.finished,
            }])
        }
        Command::BuildRelease { call, release, service, configuration, bytes, further } => {
            let (run, _) = on.caller("build a release", &call.attempt)?;
            if on.project.releases.contains_key(release) {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::ReleaseBuilt {
                call: Some(call.clone()),
                release: release.clone(),
                service: service.clone(),
                commit: run.commit.clone(),
                configuration: configuration.clone(),
                bytes: *bytes,
                further: further.clone(),
            }])
        }
        Command::RecordEvidence { call, kind, environment, passed, summary } => {
            evidence(on, call, kind, environment.as_ref(), *passed, summary)
        }
        Command::RecordPlan { call, environment, hash, summary } => {
            on.caller("record a plan", &call.attempt)?;
            let key = (call.attempt.run, environment.clone());
            if on.project.plans.get(&key).is_some_and(|plan| plan.call == *call) {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::PlanRecorded {
                call: call.clone(),
                environment: environment.clone(),
                hash: hash.clone(),
                summary: summary.clone(),
            }])
        }
        Command::NoteCause { environment, kind, cause } => {
            on.person("note a cause", Role::Developer)?;
            note(on, environment, kind, cause.trim())
        }
        _ => Err(on.wrong("ask it here")),
    }
}

/// A person writes down why what was newest of a kind of evidence failed.
fn note(
    on: &On<'_>,
    environment: &EnvironmentName,
    kind: &str,
    cause: &str,
) -> Result<Vec<Fact>, Refusal> {
    let invalid = |reason: String| {
        Err(Refusal::Invalid { what: format!("cause of `{kind}` in {environment}"), reason })
    };
    if cause.is_empty() || cause.chars().count() > CAUSE_CHARS_MAX {
        return invalid(format!("write 1 to {CAUSE_CHARS_MAX} characters"));
    }
    match on.project.newest_evidence(environment, kind) {
        None => invalid("nothing of that kind was recorded there".to_owned()),
        Some(newest) if newest.passed => invalid("the newest passed".to_owned()),
        Some(newest) => match &newest.cause {
            Some(known) => invalid(format!("{} has noted it: {}", known.by, known.text.show())),
            None => Ok(vec![Fact::CauseNoted {
                kind: kind.to_owned(),
                environment: environment.clone(),
                cause: UserText::from(cause),
            }]),
        },
    }
}

fn evidence(
    on: &On<'_>,
    call: &CallKey,
    kind: &str,
    environment: Option<&EnvironmentName>,
    passed: bool,
    summary: &str,
) -> Result<Vec<Fact>, Refusal> {
    let (run, _) = on.caller("record evidence", &call.attempt)?;
    if on.project.evidence.iter().any(|evidence| evidence.call.as_ref() == Some(call)) {
        return Ok(Vec::new());
    }
    let release = match environment {
        None => None,
        Some(environment) => {
            // Whoever may push some branch writes its workflows; what the rules let into an
            // environment is what may also vouch for it.
            let rules = on.project.policy.as_ref().and_then(|(_, p)| p.environment(environment));
            if let Some(rules) = rules.filter(|rules| !gates::takes(rules, run)) {
                return Err(Refusal::Invalid {
                    what: format!("evidence `{kind}` of {environment}"),
                    reason: format!(
                        "it counts from runs of {} only, and this is one of {}",
                        rules.branches.join(", "),
                        run.reference_name()
                    ),
                });
            }
            let serving = on.project.serving_environment(environment);
            let serving = serving.ok_or_else(|| Refusal::Invalid {
                what: format!("evidence `{kind}` of {environment}"),
                reason: "nothing is deployed there yet".to_owned(),
            })?;
            Some(serving.release.clone())
        }
    };
    let of_release = release.as_ref().and_then(|release| on.project.releases.get(release));
    Ok(vec![Fact::EvidenceRecorded {
        call: Some(call.clone()),
        kind: kind.to_owned(),
        environment: environment.cloned(),
        commit: of_release.map_or_else(|| run.commit.clone(), |release| release.commit.clone()),
        release,
        passed,
        summary: summary.to_owned(),
        time_scale: on.project.time_scale.max(1),
    }])
}
