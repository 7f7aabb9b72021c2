//! One sentence for each fact, for the audit page.

use qnt9_model::fact::{DeploymentOutcome, Entrance, Fact, RefUpdate, Verdict};
use qnt9_model::{Sha, UserText};

use crate::text;

/// Letters of a user's text that a sentence quotes.
const QUOTE_MAX: usize = 80;

/// What happened, in one sentence without its actor.
#[must_use]
pub fn describe(fact: &Fact) -> String {
    people(fact)
        .or_else(|| source(fact))
        .or_else(|| runs(fact))
        .or_else(|| steps(fact))
        .or_else(|| terraform(fact))
        .or_else(|| deployments(fact))
        .or_else(|| notices(fact))
        .unwrap_or_default()
}

fn quote(text: &UserText) -> String {
    match text {
        UserText::Clear(text) => {
            format!("“{}”", text::cut(text.lines().next().unwrap_or_default(), QUOTE_MAX))
        }
        UserText::Sealed(_) => "(erased text)".to_owned(),
    }
}

fn people(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::PersonAdded { person } => {
            format!("{} ({}) has a name here, as {}", person.name, person.email, person.role)
        }
        Fact::RoleChanged { person, role } => format!("{person} is now {role}"),
        Fact::TokenIssued { person, digest, label } => {
            format!("a token for {person} was issued ({label}), sha256 {}", text::cut(digest, 9))
        }
        Fact::TokenRevoked { digest } => {
            format!("the token with sha256 {} was revoked", text::cut(digest, 9))
        }
        Fact::ProjectCreated { project, time_scale, .. } => match time_scale {
            0 | 1 => format!("project {project} was created"),
            scale => format!("project {project} was created with time scale {scale}"),
        },
        _ => return None,
    })
}

fn source(fact: &Fact) -> Option<String> {
    let moves = |updates: &[RefUpdate]| {
        let short = |sha: &Option<Sha>| {
            sha.as_ref().map_or_else(|| "nothing".to_owned(), |sha| sha.short().to_owned())
        };
        let moves = updates.iter().map(|update| {
            format!("{} from {} to {}", update.reference, short(&update.old), short(&update.new))
        });
        moves.collect::<Vec<_>>().join(", ")
    };
    Some(match fact {
        Fact::PushOffered { by, updates } => format!("{by} pushes {}", moves(updates)),
        Fact::PushSettled { push, moved } if moved.is_empty() => {
            format!("push {push} moved nothing")
        }
        Fact::PushSettled { push, moved } => format!("push {push} moved {}", moves(moved)),
        Fact::CommitsSeen { commits } => {
            format!("{} became known", text::count(commits.len(), "commit", "commits"))
        }
        Fact::PolicyAdopted { commit, .. } => {
            format!("the rules of qnt9.toml at {} are in force", commit.short())
        }
        Fact::PolicyRefused { commit, message } => {
            format!("qnt9.toml at {} was refused: {}", commit.short(), quote(message))
        }
        Fact::WorkflowRefused { commit, path, message } => {
            format!("{path} at {} was refused: {}", commit.short(), quote(message))
        }
        _ => return None,
    })
}

fn runs(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::RunCreated { name, number, title, commit, reference, .. } => {
            let title = quote(title);
            format!(
                "run #{number} of {name} was created for {} on {reference}: {title}",
                commit.short()
            )
        }
        Fact::RunStarted { run } => format!("run {run} started"),
        Fact::RunSuperseded { run, by, over } => {
            format!("run {by} took the place of run {run} in {over}")
        }
        Fact::RunCancelRequested { run, reason } => {
            format!("run {run} is to be cancelled: {reason}")
        }
        Fact::RunFinished { run, result } => format!("run {run} ended with {}", result.word()),
        Fact::JobPlanned { run, key, legs, .. } => {
            format!(
                "job {key} of run {run} was planned: {}",
                text::count(legs.len(), "leg", "legs")
            )
        }
        Fact::JobSkipped { run, key, reason } => {
            format!("job {key} of run {run} is skipped: {}", quote(reason))
        }
        Fact::JobImpossible { run, key, reason } => {
            format!("job {key} of run {run} cannot run: {}", quote(reason))
        }
        Fact::ApprovalGiven { run, environment, person, subjects, .. } => {
            let release =
                subjects.release.as_ref().map(|release| format!("release {}", release.short()));
            let plan = subjects.plan.as_ref().map(|plan| format!("plan {}", text::cut(plan, 9)));
            let subjects: Vec<String> = [release, plan].into_iter().flatten().collect();
            let what = if subjects.is_empty() {
                String::new()
            } else {
                format!(": {}", subjects.join(", "))
            };
            format!("{person} approved run {run} for {environment}{what}")
        }
        Fact::ApprovalRejected { run, environment, person, .. } => {
            format!("{person} rejected run {run} for {environment}")
        }
        Fact::GatesOpened { run, job, environment, .. } => {
            format!("the gates of {environment} opened for job {job} of run {run}")
        }
        Fact::GatesClosed { run, job, reason } => {
            format!("the gates of job {job} of run {run} cannot open: {reason}")
        }
        Fact::JobSuperseded { run, job, by, over } => {
            let over = over.as_ref().map(|over| format!(" in {over}")).unwrap_or_default();
            format!("run {by} took the place of job {job} of run {run}{over}")
        }
        Fact::JobStarted { attempt, runner, resumes: None } => {
            format!("attempt {attempt} went to runner {runner}")
        }
        Fact::JobStarted { attempt, runner, resumes: Some(from) } => {
            let (source, step) = (&from.attempt, from.step);
            format!("attempt {attempt} went to runner {runner}, from step {step} of {source} on")
        }
        Fact::JobFinished { attempt, result, .. } => {
            format!("attempt {attempt} ended with {}", result.word())
        }
        Fact::JobLost { attempt, reason, retry } => {
            let next = if *retry { "it is tried again" } else { "a person decides" };
            format!("the runner of attempt {attempt} is gone ({reason}); {next}")
        }
        Fact::JobRerun { attempt } => format!("attempt {attempt} is to be tried again"),
        _ => return stops(fact).or_else(|| checks(fact)),
    })
}

fn stops(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::RunKillRequested { run, reason } => {
            format!("run {run} is to end at once: {reason}")
        }
        Fact::JobAdmitted { run, job } => {
            format!("it is the turn of job {job} of run {run} in its concurrency group")
        }
        Fact::JobCancelRequested { run, job, reason } => {
            format!("job {job} of run {run} is to be cancelled: {reason}")
        }
        Fact::JobKillRequested { attempt, reason } => {
            format!("the processes of attempt {attempt} are to be ended: {reason}")
        }
        Fact::LeaseRenewed { attempt } => format!("the runner of attempt {attempt} is there"),
        Fact::JobUnheard { attempt } => {
            format!("nothing was heard of attempt {attempt}; its runner is looked for")
        }
        Fact::JobResumeRequested { attempt } => {
            format!("the runner of lost attempt {attempt} is looked for")
        }
        Fact::JobResumed { attempt, proof } => {
            format!("lost attempt {attempt} counts again: {proof}")
        }
        Fact::SchedulesAdopted { commit, workflows } => {
            let count = text::count(workflows.len(), "workflow", "workflows");
            format!("the schedules of {count} at {} are in force", commit.short())
        }
        Fact::ScheduleSkipped { path, schedule, reason, .. } => {
            format!(
                "{path} was due by its schedule `{}` and skipped: {}",
                schedule.cron,
                quote(reason)
            )
        }
        Fact::MachineWoke {} => "the machine takes answers again".to_owned(),
        _ => return None,
    })
}

fn checks(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::CheckRequested { run, job, environment, name, .. } => {
            format!("check {name} of {environment} is asked about job {job} of run {run}")
        }
        Fact::CheckDelivered { check } => format!("check {check} was reached"),
        Fact::CheckUndelivered { check, reason } => {
            format!("check {check} could not be reached: {reason}")
        }
        Fact::CheckAnswered { check, passed, reason } => {
            let how = if *passed { "passed" } else { "failed" };
            format!("check {check} {how}: {}", quote(reason))
        }
        _ => return None,
    })
}

fn steps(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::StepFinished { attempt, name, conclusion, .. } => {
            format!(
                "step “{}” of {attempt} ended with {}",
                text::cut(name, QUOTE_MAX),
                conclusion.word()
            )
        }
        Fact::LogSealed { attempt, first_line, lines, .. } => {
            format!(
                "log lines {first_line} to {} of {attempt} were sealed",
                first_line + lines - lines.min(&1)
            )
        }
        Fact::ArtifactKept { attempt, name, bytes, .. } => {
            format!("{attempt} kept artifact {name}, {}", text::bytes(*bytes))
        }
        Fact::WaitDeclared { call, reason, .. } => {
            format!("{} waits: {}", call.attempt, quote(reason))
        }
        Fact::LoadDriven { call, started, finished } => {
            format!(
                "{} drove load for {}",
                call.attempt,
                crate::time::duration(finished.since(*started))
            )
        }
        Fact::ReleaseBuilt { release, service, commit, .. } => {
            format!("release {} of {service} was built from {}", release.short(), commit.short())
        }
        Fact::EvidenceRecorded { kind, environment, commit, passed, summary, .. } => {
            let place = environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
            let how = if *passed { "passed" } else { "failed" };
            format!("{kind} {how}{place} for {}: {summary}", commit.short())
        }
        _ => return None,
    })
}

fn terraform(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::StateLocked { workspace, lock, .. } => {
            format!("state {workspace} was locked by {lock}")
        }
        Fact::StateUnlocked { workspace, forced, .. } => {
            let how = if *forced { " by force" } else { "" };
            format!("state {workspace} was unlocked{how}")
        }
        Fact::StateWritten { workspace, serial, bytes, .. } => {
            format!("state {workspace} was written: serial {serial}, {}", text::bytes(*bytes))
        }
        Fact::StateDeleted { workspace } => format!("state {workspace} was deleted"),
        Fact::PlanRecorded { environment, hash, summary, .. } => format!(
            "plan {} for {environment}: +{} ~{} -{}",
            text::cut(hash, 9),
            summary.add,
            summary.change,
            summary.destroy
        ),
        _ => return None,
    })
}

fn deployments(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::AddressAssigned { place, entrance: Entrance::Main, address } => {
            format!("{place} answers at {address}")
        }
        Fact::AddressAssigned { place, entrance: Entrance::Preview, address } => {
            format!("the preview of {place} answers at {address}")
        }
        Fact::DeploymentRequested { place, release, .. } => {
            format!("release {} is to go to {place}", release.short())
        }
        Fact::ReplicaReady { deployment, replica, address } => {
            format!("replica {replica} of deployment {deployment} is healthy at {address}")
        }
        Fact::ReplicaLost { deployment, replica, reason } => {
            format!("replica {replica} of deployment {deployment} is gone: {reason}")
        }
        Fact::ReplicaFailed { deployment, replica, report } => {
            format!(
                "replica {replica} of deployment {deployment} did not become healthy: {}",
                quote(report)
            )
        }
        Fact::WeightChanged { deployment, percent } => {
            format!("deployment {deployment} is to get {percent} % of the traffic")
        }
        Fact::TrafficApplied { place, generation } => {
            format!("the gateway carries generation {generation} of {place}")
        }
        Fact::WindowJudged { deployment, percent, reason, .. } => {
            format!("deployment {deployment} at {percent} %: {reason}")
        }
        Fact::DeploymentFinished { deployment, outcome } => match outcome {
            DeploymentOutcome::Succeeded => format!("deployment {deployment} serves all traffic"),
            DeploymentOutcome::RolledBack { reason, at_percent } => {
                format!("deployment {deployment} was rolled back at {at_percent} %: {reason}")
            }
            DeploymentOutcome::Failed { reason } => {
                format!("deployment {deployment} failed: {}", quote(reason))
            }
        },
        Fact::ArmDrained { deployment } => {
            format!("deployment {deployment} carries nothing any more")
        }
        _ => return conduct(fact),
    })
}

/// What there is to rollouts beside shares of the traffic.
fn conduct(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::SmokeTested { deployment, passed: true, .. } => {
            format!("the smoke tests of deployment {deployment} passed")
        }
        Fact::SmokeTested { deployment, passed: false, report } => {
            format!("a smoke test of deployment {deployment} failed: {}", quote(report))
        }
        Fact::Promoted { deployment } => format!("deployment {deployment} was promoted"),
        Fact::ReplicasShifted { deployment, own, former } => format!(
            "{own} replicas of deployment {deployment} are to run, and {former} of the one before it"
        ),
        Fact::ReplicaDrained { deployment, replica } => {
            format!("replica {replica} of deployment {deployment} carries nothing any more")
        }
        Fact::WarmEnded { deployment } => {
            format!("the replicas of deployment {deployment} are not kept any longer")
        }
        Fact::WindowWatched { deployment, reason, .. } => {
            format!("deployment {deployment} is watched: {reason}")
        }
        Fact::WatchEnded { deployment, verdict, reason } => {
            let ended = match verdict {
                Verdict::Good => "was watched, and is well",
                Verdict::Bad => "was watched, and is not well",
                Verdict::Undecided => "is not watched any longer",
            };
            format!("deployment {deployment} {ended}: {reason}")
        }
        _ => return None,
    })
}

fn notices(fact: &Fact) -> Option<String> {
    let place = |environment: &Option<qnt9_model::EnvironmentName>| match environment {
        Some(name) => format!("for {name}"),
        None => "for every environment".to_owned(),
    };
    Some(match fact {
        Fact::NotificationPosted { title, .. } => {
            format!("notification {} was posted", quote(title))
        }
        Fact::NotificationDelivered { notification } => {
            format!("notification {notification} was delivered")
        }
        Fact::NotificationFailed { notification, reason } => {
            format!("notification {notification} could not be delivered: {reason}")
        }
        Fact::SecretSet { name, environment, .. } => {
            format!("secret {name} was set {}", place(environment))
        }
        Fact::SecretRemoved { name, environment } => {
            format!("secret {name} was removed {}", place(environment))
        }
        _ => return None,
    })
}
