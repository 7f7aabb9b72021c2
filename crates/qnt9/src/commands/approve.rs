//! `qnt9 approve` and `qnt9 reject`

use std::process::ExitCode;

use qnt9_model::fact::Subjects;
use qnt9_model::{EnvironmentName, RunId};
use qnt9_server::api::shapes::{Decide as Body, EnvironmentShape, Phase, RunDetail, RunShape};

use super::asking::Asking;
use crate::cli::{Common, Decide};
use crate::failure::Failure;
use crate::render::run::legs;
use crate::render::{harmless, short_reference, why};
use crate::talk::Format;

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Reject,
}

/// Approves or rejects what waits for an environment.
pub async fn run(common: &Common, args: &Decide, decision: Decision) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let (run, environment) = meant(&ask, args).await?;
    let (verb, past) = match decision {
        Decision::Approve => ("approve", "approved"),
        Decision::Reject => ("reject", "rejected"),
    };
    let seen = match decision {
        Decision::Approve => subjects(&ask, run, environment.as_ref()).await?,
        Decision::Reject => None,
    };
    if let Some(seen) = &seen {
        ask.say(&format!("you approve {}", in_words(seen)));
    }
    let body = Body { environment: environment.clone(), comment: args.comment.clone(), seen };
    let shape: RunShape = ask.post(&format!("/runs/{run}/{verb}"), &body).await?;
    ask.print(&shape, |run, _| {
        let place = environment.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
        let (reference, commit) = (short_reference(&run.reference), run.commit.short());
        format!("{past} run {}{place}: {} #{}, {reference} {commit}", run.id, run.name, run.number)
    });
    if decision == Decision::Approve && ask.format == Format::Text {
        say_what_is_left(&ask, run, environment.as_ref()).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What an approval would be for now.
async fn subjects(
    ask: &Asking,
    run: RunId,
    environment: Option<&EnvironmentName>,
) -> Result<Option<Subjects>, Failure> {
    let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
    let mut waiting = legs(&detail).filter(|leg| {
        leg.phase == Phase::Gated
            && (environment.is_none() || leg.environment.as_ref() == environment)
    });
    Ok(waiting.next().and_then(|leg| leg.subjects.clone()))
}

fn in_words(subjects: &Subjects) -> String {
    let release = subjects.release.as_ref().map(|release| format!("release {}", release.0));
    let plan = subjects.plan.as_ref().map(|plan| format!("plan {plan}"));
    let named: Vec<String> = release.into_iter().chain(plan).collect();
    if named.is_empty() {
        "before there is a release or a plan".to_owned()
    } else {
        format!("{}; if one of them changes, this lapses", named.join(" and "))
    }
}

/// What the gates still wait for after this approval.
async fn say_what_is_left(
    ask: &Asking,
    run: RunId,
    environment: Option<&EnvironmentName>,
) -> Result<(), Failure> {
    let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
    let waiting = legs(&detail)
        .filter(|leg| environment.is_none() || leg.environment.as_ref() == environment);
    for tree in waiting.filter_map(|leg| leg.why.as_ref()) {
        ask.say(harmless(&why::missing(tree, &ask.clock)).trim_end());
    }
    Ok(())
}

/// The run and the environment that are meant: an environment's name, or a run's number.
async fn meant(ask: &Asking, args: &Decide) -> Result<(RunId, Option<EnvironmentName>), Failure> {
    let environments: Vec<EnvironmentShape> = ask.get("/environments").await?;
    let named = environments.iter().find(|one| one.name.as_str() == args.subject);
    let runs = match (named, args.subject.parse::<RunId>()) {
        (Some(environment), _) => environment.waiting.clone(),
        (None, Ok(run)) => vec![run],
        (None, Err(_)) => {
            let known: Vec<&str> = environments.iter().map(|one| one.name.as_str()).collect();
            return Err(Failure::new(format!("there is no environment `{}`", args.subject))
                .hint(format!("there are {}; a run goes by its number", known.join(", "))));
        }
    };
    let environment = named.map(|environment| environment.name.clone());
    let mut candidates = Vec::new();
    for run in runs {
        let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
        candidates.push(detail.run);
    }
    Ok((choose(&candidates, args)?, environment))
}

/// The one that waits, of the commit that was named if one was.
fn choose(candidates: &[RunShape], args: &Decide) -> Result<RunId, Failure> {
    let wanted = args.commit.as_deref().unwrap_or_default();
    let fits = |run: &&RunShape| run.commit.as_str().starts_with(wanted);
    let fitting: Vec<&RunShape> = candidates.iter().filter(fits).collect();
    match (fitting.as_slice(), candidates) {
        ([only], _) => Ok(only.id),
        ([], []) => Err(Failure::new(format!("nothing waits for {}", args.subject))
            .hint("`qnt9 status` shows what waits for what")),
        ([], others) => Err(Failure::new(format!(
            "it is not {wanted} that waits for {}: it is {}",
            args.subject,
            names(others.iter())
        ))
        .hint("look at what changed before you decide: `qnt9 why`")),
        (several, _) => Err(Failure::new(format!(
            "several runs wait for {}: {}",
            args.subject,
            names(several.iter().copied())
        ))
        .hint("say which run, or which commit")),
    }
}

fn names<'a>(runs: impl Iterator<Item = &'a RunShape>) -> String {
    let named = runs.map(|run| format!("{} (run {})", run.commit.short(), run.id));
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn chosen(candidates: &[RunShape], commit: Option<&str>) -> String {
        let args = Decide {
            subject: "production".to_owned(),
            commit: commit.map(str::to_owned),
            comment: None,
        };
        match choose(candidates, &args) {
            Ok(run) => format!("run {run}"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_run_that_waits_is_meant() {
        let run = sample::run(12);
        assert_eq!(chosen(std::slice::from_ref(&run), None), "run 12");
        assert_eq!(chosen(&[run], Some("9f03c1a")), "run 12");
    }

    #[test]
    fn nothing_is_decided_about_another_commit() {
        let failure = chosen(&[sample::run(12)], Some("b7e20d4"));
        assert!(failure.contains("it is not b7e20d4 that waits"), "{failure}");
        assert!(failure.contains("9f03c1a (run 12)"), "{failure}");
    }

    #[test]
    fn several_that_wait_must_be_told_apart() {
        let failure = chosen(&[sample::run(12), sample::run(13)], None);
        assert!(failure.contains("several runs wait for production"), "{failure}");
        assert!(chosen(&[], None).contains("nothing waits for production"));
    }
}
