//! What people ask about the past, about rules and about jobs that were not lost, as they type it.

use std::process::Output;

use crate::platform::{Home, said};
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run, token};

const WORKFLOW: &str = "
name: Hello
on:
  push:
    branches: [main]
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - run: echo hello
";

#[tokio::test]
async fn the_past_is_shown_and_what_cannot_be_is_said_with_its_exit_code() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, WORKFLOW).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let run = start_run(&platform, &clone).await;
    platform.ended(run).await;
    let ask = |args: &[&str]| -> Output {
        home.command(args).env("QNT9_TOKEN", token("dora")).output().unwrap()
    };
    let created = run.to_string();
    let then = ask(&["status", "--fact", &created]);
    let shown = said(&then);
    assert!(then.status.success(), "{shown}");
    assert!(shown.contains(&format!("after fact {run} of")), "{shown}");
    assert!(shown.contains("run #1 of Hello was created"), "{shown}");
    assert!(shown.contains("running") || shown.contains("waits its turn"), "{shown}");
    let job = format!("{run}.greet");
    for (args, exit, word) in [
        (vec!["status", "--at", "yesterday"], 2, "is no moment"),
        (vec!["status", "--fact", "999999"], 1, "still to come"),
        (vec!["status", "--at", "2001-01-01"], 1, "no facts by then"),
        (vec!["rerun", &job], 1, "its runner was not lost"),
        (vec!["rerun", &job, "--failed"], 2, "about an ended run"),
        (vec!["rerun", &created, "--failed"], 1, "none of its jobs failed"),
        (vec!["runs", "retry", &job, "--from-step", "0"], 2, "counted from 1"),
        (vec!["runs", "retry", &job, "--from-step", "1"], 1, "it succeeded"),
        (vec!["diff", "moon", "main"], 1, "there is no release"),
        (vec!["policy", "test", "--person", "dora", "--environment", "moon"], 1, "environment"),
    ] {
        let answer = ask(&args);
        let shown = said(&answer);
        assert_eq!(answer.status.code(), Some(exit), "{args:?}: {shown}");
        assert!(shown.contains(word), "{args:?}: {shown}");
    }
}
