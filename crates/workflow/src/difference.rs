//! What a change of workflow files changes: jobs, what they may do, the secrets that they reach, the
//! environments whose gates they pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::language::Token;
use crate::lint::secrets_below;
use crate::plan::{Grants, Options, PlannedAction, PlannedJob, PlannedStep, Work, level, read};

/// What differs between two states of a repository's workflows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub file: String,
    /// The job; none for what is said of the whole workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    pub aspect: Aspect,
    /// What was there, and is no more.
    pub before: Vec<String>,
    /// What is there, and was not.
    pub after: Vec<String>,
}

/// What a change is about, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The file itself, or whether GitHub reads it.
    Workflow,
    /// The job itself.
    Job,
    /// The environments, and with them their gates and secrets.
    Environments,
    /// The secrets that are named.
    Secrets,
    /// What the job's token may do.
    Permissions,
    /// The events that start the workflow.
    Events,
    /// The runner.
    Runner,
    /// The jobs that come before.
    Needs,
    /// When the job runs.
    Condition,
    /// The actions and workflows that are used.
    Uses,
    /// The scripts that are run.
    Scripts,
}

/// A file of workflows: its path and text.
pub type WorkflowFile = (String, String);

/// What differs, in the order of files and jobs; the gravest first within each.
pub fn difference(base: &[WorkflowFile], head: &[WorkflowFile]) -> Vec<Change> {
    let (base, head) = (described(base), described(head));
    let places: BTreeSet<&Place> = base.keys().chain(head.keys()).collect();
    let nothing = BTreeMap::new();
    let mut changes = Vec::new();
    for place in places {
        let before = base.get(place).unwrap_or(&nothing);
        let after = head.get(place).unwrap_or(&nothing);
        let aspects: BTreeSet<Aspect> = before.keys().chain(after.keys()).copied().collect();
        for aspect in aspects {
            let of = |side: &Description| side.get(&aspect).cloned().unwrap_or_default();
            let (before, after) = (of(before), of(after));
            if before != after {
                let gone = before.difference(&after).cloned().collect();
                let new = after.difference(&before).cloned().collect();
                let (file, job) = place.clone();
                changes.push(Change { file, job, aspect, before: gone, after: new });
            }
        }
    }
    changes
}

/// A file, and a job of it unless all of it is meant.
type Place = (String, Option<String>);
type Description = BTreeMap<Aspect, BTreeSet<String>>;

fn described(files: &[WorkflowFile]) -> BTreeMap<Place, Description> {
    let mut places = BTreeMap::new();
    for (file, text) in files {
        let nothing = |_: &str| Err(String::new());
        let outcome = read(file, text, &nothing, &Options::default());
        let mut whole = Description::new();
        let state =
            if outcome.plan.is_some() { "a workflow" } else { "no workflow: it is refused" };
        whole.insert(Aspect::Workflow, BTreeSet::from([state.to_owned()]));
        if let Some(on) = outcome.root.as_ref().and_then(|root| root.get("on")) {
            let bare = on.items().iter().chain(on.as_str().map(|_| on)).map(Token::text);
            let names = bare.chain(on.entries().iter().map(|(name, _)| name.text()));
            whole.insert(Aspect::Events, names.collect());
        }
        places.insert((file.clone(), None), whole);
        let jobs = outcome.root.as_ref().and_then(|root| root.get("jobs"));
        for planned in outcome.plan.iter().flat_map(|plan| &plan.jobs) {
            let id = planned.id.text();
            let written = jobs.and_then(|jobs| jobs.get(&id));
            places.insert((file.clone(), Some(id)), job(planned, written));
        }
    }
    places
}

fn job(job: &PlannedJob, written: Option<&Token>) -> Description {
    let mut description = Description::new();
    let mut say = |aspect: Aspect, values: Vec<String>| {
        description.insert(aspect, values.into_iter().collect());
    };
    say(Aspect::Job, vec!["there".to_owned()]);
    say(Aspect::Needs, job.needs.iter().map(Token::text).collect());
    say(Aspect::Condition, vec![job.condition.text()]);
    say(Aspect::Permissions, job.permissions.as_ref().map_or_else(by_default, granted));
    say(Aspect::Secrets, written.map(secrets_below).unwrap_or_default());
    match &job.work {
        Work::Call(call) => {
            say(Aspect::Uses, vec![call.reference.text()]);
            if call.inherits_secrets {
                say(Aspect::Secrets, vec!["all of the caller's".to_owned()]);
            }
        }
        Work::Steps(steps) => {
            let environment = steps.environment.as_ref();
            let name = environment.map(|it| it.get("name").unwrap_or(it).source());
            say(Aspect::Environments, name.into_iter().filter(|name| !name.is_empty()).collect());
            let runner = steps.runs_on.as_ref().map(runner);
            say(Aspect::Runner, runner.into_iter().collect());
            let (mut uses, mut scripts) = (Vec::new(), Vec::new());
            collect(&steps.steps, &mut uses, &mut scripts);
            say(Aspect::Uses, uses);
            say(Aspect::Scripts, scripts);
        }
    }
    description
}

fn by_default() -> Vec<String> {
    vec!["the repository's default".to_owned()]
}

fn granted(grants: &Grants) -> Vec<String> {
    grants.iter().map(|(scope, access)| format!("{scope}: {}", level(access))).collect()
}

fn runner(runs_on: &Token) -> String {
    let labels = runs_on.get("labels").unwrap_or(runs_on);
    match labels.is_sequence() {
        true => labels.items().iter().map(Token::source).collect::<Vec<_>>().join(", "),
        false => labels.source(),
    }
}

fn collect(steps: &[PlannedStep], uses: &mut Vec<String>, scripts: &mut Vec<String>) {
    for step in steps {
        match &step.action {
            PlannedAction::Run { script, .. } => scripts.push(first_line(&script.source())),
            PlannedAction::Uses { reference, .. } => uses.push(reference.text()),
            PlannedAction::Parallel { steps } => collect(steps, uses, scripts),
            PlannedAction::Wait { .. } | PlannedAction::WaitAll | PlannedAction::Cancel { .. } => {}
        }
    }
}

/// A script by its first line, and a number that tells it from others that begin alike.
fn first_line(script: &str) -> String {
    let line = script.trim_start().lines().next().unwrap_or_default();
    let others = script.trim().lines().count().saturating_sub(1);
    match others {
        0 => crate::excerpt(line),
        // FNV-1a: enough to see that the lines below have changed.
        _ => {
            let hash = script.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            format!("{} (and {others} more lines, {:08x})", crate::excerpt(line), hash >> 32)
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn file(jobs: &str) -> Vec<WorkflowFile> {
        vec![("ci.yml".to_owned(), format!("on: push\njobs:\n{jobs}"))]
    }

    fn listed(base: &[WorkflowFile], head: &[WorkflowFile]) -> String {
        let line = |change: Change| {
            let Change { file, job, aspect, before, after } = change;
            format!("{file} {} {aspect:?}: {before:?} -> {after:?}", job.unwrap_or_default())
        };
        difference(base, head).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_a_job_reaches_is_told_apart() {
        let base = file(
            "  a:\n    runs-on: x\n    permissions: { contents: read }\n    steps: [{ run: './d ${{ secrets.A }}' }]\n  b: { runs-on: x, steps: [{ run: y }] }\n",
        );
        let head = file(
            "  a:\n    runs-on: x\n    environment: production\n    permissions: { contents: write }\n    steps: [{ run: './d ${{ secrets.B }}' }, { uses: a/b@v1 }]\n",
        );
        let changes = listed(&base, &head);
        expect![[r#"
            ci.yml a Environments: [] -> ["production"]
            ci.yml a Secrets: ["A"] -> ["B"]
            ci.yml a Permissions: ["contents: read"] -> ["contents: write"]
            ci.yml a Uses: [] -> ["a/b@v1"]
            ci.yml a Scripts: ["./d ${{ secrets.A }}"] -> ["./d ${{ secrets.B }}"]
            ci.yml b Job: ["there"] -> []
            ci.yml b Permissions: ["the repository's default"] -> []
            ci.yml b Runner: ["x"] -> []
            ci.yml b Condition: ["${{ success() }}"] -> []
            ci.yml b Scripts: ["y"] -> []"#]]
        .assert_eq(&changes);
        assert_eq!(listed(&base, &base), "");
    }

    #[test]
    fn a_file_that_is_new_or_broken_is_said() {
        let good = file("  a: { runs-on: x, steps: [{ run: y }] }\n");
        let bad = file("  a: { runs-on: x, steps: [{ rum: y }] }\n");
        expect![[r#"
            ci.yml  Workflow: ["a workflow"] -> ["no workflow: it is refused"]
            ci.yml a Job: ["there"] -> []
            ci.yml a Permissions: ["the repository's default"] -> []
            ci.yml a Runner: ["x"] -> []
            ci.yml a Condition: ["${{ success() }}"] -> []
            ci.yml a Scripts: ["y"] -> []"#]]
        .assert_eq(&listed(&good, &bad));
        expect![[r#"
            ci.yml  Workflow: [] -> ["no workflow: it is refused"]
            ci.yml  Events: [] -> ["push"]"#]]
        .assert_eq(&listed(&[], &bad));
    }
}
