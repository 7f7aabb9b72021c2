//! An environment: its rules, its secrets, what waits for it, and whether what serves there answers.

use std::path::Path;

use qnt9_server::api::shapes::{
    EnvironmentShape, ProjectShape, SecretShape, StatusShape, WaitingShape,
};

use super::cluster::answers;
use super::{Check, Verdict};
use crate::cli::Common;
use crate::commands::asking::Asking;
use crate::commands::secrets::{KnownSecret, compare};
use crate::failure::Failure;
use crate::repository::Folder;

/// Looks at one environment of the server's project.
pub(super) async fn look(common: &Common, name: &str, repo: &Path) -> Result<Vec<Check>, Failure> {
    let ask = Asking::of(common).await?;
    let project: ProjectShape = ask.get("").await?;
    let environments: Vec<EnvironmentShape> = ask.get("/environments").await?;
    let mut checks = vec![rules(&project)];
    let Some(environment) = environments.iter().find(|one| one.name.as_str() == name) else {
        let known: Vec<&str> = environments.iter().map(|one| one.name.as_str()).collect();
        let found = format!("the rules in force have no environment `{name}`");
        let check = Check::ok("env.known", found, "Without rules an environment has no gate.");
        checks.push(check.but(Verdict::Fail, format!("there is: {}", known.join(", "))));
        return Ok(checks);
    };
    let gates = match environment.rules.len() {
        0 => "no gate".to_owned(),
        _ => environment.rules.join("; "),
    };
    checks.push(Check::ok("env.known", gates, "Without rules an environment has no gate."));
    checks.push(secrets(&ask, name, repo).await?);
    let status: StatusShape = ask.get("/status").await?;
    checks.push(waiting(name, &status.waiting));
    for place in &environment.services {
        checks.push(
            serving(place.service.as_str(), place.url.as_deref(), place.serving.is_some()).await,
        );
    }
    Ok(checks)
}

fn rules(project: &ProjectShape) -> Check {
    let explanation = "A file with a problem changes nothing: the rules stay as they were.";
    let check = |found: String| Check::ok("env.rules", found, explanation);
    match project.problems.last() {
        None => check("the newest commit's rules are in force".to_owned()),
        Some(problem) => check(format!("{}: {}", problem.path, problem.message))
            .but(Verdict::Warn, "mend it and push"),
    }
}

async fn secrets(ask: &Asking, name: &str, repo: &Path) -> Result<Check, Failure> {
    let set: Vec<SecretShape> = ask.get("/secrets").await?;
    let folder = Folder::read(repo).await?;
    let set: Vec<KnownSecret> = set.into_iter().map(KnownSecret::from).collect();
    let compared = compare(&folder.repository, Some(name), &set);
    let absent: Vec<&str> =
        compared.iter().filter(|one| one.is_error()).map(|one| one.name.as_str()).collect();
    let explanation = "A secret that is not set is the empty text, without an error.";
    let check = |found: String| Check::ok("env.secrets", found, explanation);
    Ok(match absent.as_slice() {
        [] => check("every secret that the repository refers to is there".to_owned()),
        absent => check(format!("{} referred to and not there", absent.join(", ")))
            .but(Verdict::Fail, format!("where, and what else: qnt9 secrets check --env {name}")),
    })
}

fn waiting(name: &str, waiting: &[WaitingShape]) -> Check {
    let here: Vec<&WaitingShape> =
        waiting.iter().filter(|one| one.environment.as_str() == name).collect();
    let explanation = "Jobs that stand before the environment's gates.";
    let check = |found: String| Check::ok("env.waiting", found, explanation);
    match here.first() {
        None => check("nothing waits".to_owned()),
        Some(first) => check(format!("run {}: {}", first.run, first.missing.join("; ")))
            .but(Verdict::Warn, format!("who can do what: qnt9 why {name}")),
    }
}

/// Whether what serves answers at its address.
pub(super) async fn serving(service: &str, url: Option<&str>, serves: bool) -> Check {
    let id = format!("env.{service}");
    let explanation = "What serves the environment answers at its address.";
    let Some(url) = url.filter(|_| serves) else {
        return Check::ok(&id, "nothing was deployed here yet", explanation);
    };
    match answers(url).await {
        Ok(status) if status < 500 => {
            Check::ok(&id, format!("{url} answers ({status})"), explanation)
        }
        Ok(status) => Check::ok(&id, format!("{url} answers {status}"), explanation).but(
            Verdict::Fail,
            "the replicas' logs: qnt9 deployments; back to an earlier release: qnt9 rollback",
        ),
        Err(reason) => Check::ok(&id, format!("{url} does not answer: {reason}"), explanation).but(
            Verdict::Fail,
            "is the platform running? `qnt9 doctor cluster` looks at gateway and replicas",
        ),
    }
}
