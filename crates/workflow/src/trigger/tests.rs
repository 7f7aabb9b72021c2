use super::*;
use crate::parse;

fn outcome(on: &str, occurrence: Occurrence<'_>) -> Result<(), String> {
    let text = format!("on:\n{on}\njobs: {{ a: {{ runs-on: x, steps: [{{ run: echo }}] }} }}");
    match parse("w.yml", &text).unwrap().triggered_by(&occurrence) {
        Triggered::Yes => Ok(()),
        Triggered::No { reason } => Err(reason),
    }
}

fn push(reference: &str) -> Occurrence<'_> {
    Occurrence { event: Event::Push, reference, changed_paths: None, commit_message: None }
}

fn paths(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn branches_and_tags_are_told_apart() {
    let cases = [
        ("  push:", "refs/heads/x", true),
        ("  push:", "refs/tags/v1", true),
        ("  push: { branches: [main, 'release/**'] }", "refs/heads/release/1", true),
        ("  push: { branches: [main] }", "refs/heads/dev", false),
        ("  push: { branches: [main] }", "refs/tags/main", false),
        ("  push: { tags: ['v*'] }", "refs/heads/v1", false),
        ("  push: { tags: ['v*'] }", "refs/tags/v1", true),
        ("  push: { branches: [main], tags: ['v*'] }", "refs/tags/v1", true),
        ("  push: { branches-ignore: ['wip/**'] }", "refs/heads/wip/a", false),
        ("  push: { branches-ignore: ['wip/**'] }", "refs/heads/main", true),
        ("  push: { tags-ignore: ['*-rc'] }", "refs/tags/v1-rc", false),
        ("  push: { branches: ['**', '!wip/**'] }", "refs/heads/wip/a", false),
    ];
    for (on, reference, expected) in cases {
        assert_eq!(outcome(on, push(reference)).is_ok(), expected, "{on} at {reference}");
    }
}

#[test]
fn paths_decide_by_the_files_that_changed() {
    let only = "  push: { paths: ['src/**', '!src/**/*.md'] }";
    let ignore = "  push: { paths-ignore: ['docs/**'] }";
    let cases = [
        (only, paths(&["src/a.rs"]), true),
        (only, paths(&["src/notes/a.md"]), false),
        (only, paths(&["src/a.md", "src/a.rs"]), true),
        (only, paths(&[]), false),
        (ignore, paths(&["docs/a"]), false),
        (ignore, paths(&["docs/a", "src/b"]), true),
    ];
    for (on, changed, expected) in cases {
        let occurrence = Occurrence { changed_paths: Some(&changed), ..push("refs/heads/main") };
        assert_eq!(outcome(on, occurrence).is_ok(), expected, "{on} with {changed:?}");
    }
    let changed = paths(&["README.md"]);
    let tag = Occurrence { changed_paths: Some(&changed), ..push("refs/tags/v1") };
    assert_eq!(outcome(only, tag), Ok(()), "paths are not compared for tags");
    assert_eq!(outcome(only, push("refs/heads/main")), Ok(()), "unknown paths count as all");
}

#[test]
fn pull_requests_have_activities_and_a_base() {
    let pull =
        |activity| Occurrence { event: Event::PullRequest { activity }, ..push("refs/heads/main") };
    assert_eq!(outcome("  pull_request:", pull("opened")), Ok(()));
    assert!(outcome("  pull_request:", pull("labeled")).is_err());
    assert_eq!(outcome("  pull_request: { types: labeled }", pull("labeled")), Ok(()));
    assert!(outcome("  pull_request: { branches: [dev] }", pull("opened")).is_err());
}

#[test]
fn the_reason_says_what_did_not_match() {
    let reason = |on: &str, occurrence| outcome(on, occurrence).unwrap_err();
    assert_eq!(
        reason("  push: { branches: [main, dev] }", push("refs/heads/x")),
        "the branch x matches none of: main, dev"
    );
    assert_eq!(
        reason("  workflow_dispatch:", push("refs/heads/x")),
        "the workflow is not started by `push`"
    );
    let skipping = Occurrence { commit_message: Some("fix\n\n[skip ci]"), ..push("refs/heads/x") };
    assert_eq!(reason("  push:", skipping), "the commit message says `[skip ci]`");
    let by_hand = Occurrence { event: Event::WorkflowDispatch, ..skipping };
    assert_eq!(outcome("  workflow_dispatch:", by_hand), Ok(()));
    let changed = paths(&["a", "b"]);
    let pushed = Occurrence { changed_paths: Some(&changed), ..push("refs/heads/x") };
    assert_eq!(
        reason("  push: { paths-ignore: ['**'] }", pushed),
        "every changed path is ignored by: **"
    );
}

#[test]
fn a_schedule_is_found_by_its_entry() {
    let on = "  schedule: [{ cron: '0 3 * * *' }]";
    let due = |cron| Occurrence { event: Event::Schedule { cron }, ..push("refs/heads/main") };
    assert_eq!(outcome(on, due("0 3 * * *")), Ok(()));
    assert_eq!(outcome(on, due("0 4 * * *")), Err("no schedule says `0 4 * * *`".to_owned()));
}
