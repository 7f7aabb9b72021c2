//! What a pusher is told when something in the push cannot be read or taken.

use std::process::Command;
use std::time::Duration;

use crate::platform::{Home, said, wait_until};
use crate::project::{Clone, NO_GATES, create_with_workflow, newest_run};

const CI: &str =
    "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: true\n";

#[tokio::test]
async fn an_unknown_key_in_a_workflow_is_shown_with_its_place_and_starts_nothing() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, CI).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let broken = CI.replace("runs-on", "run-on");
    clone.commit("dora", "Break it", &[(".github/workflows/ci.yml", &broken)]);
    let seen = clone.push("dora");
    assert!(seen.contains(".github/workflows/ci.yml:4:5"), "{seen}");
    assert!(seen.contains("run-on") && seen.contains("runs-on"), "{seen}");
    let runs = platform.get("dora", "/runs").await;
    assert_eq!(runs.as_array().unwrap().len(), 0, "{runs:#}");
    let project = platform.get("dora", "").await;
    let problem = project["problems"][0]["message"].as_str().unwrap();
    assert!(problem.contains("ci.yml:4:5"), "{project:#}");
    clone.commit("dora", "Mend it", &[(".github/workflows/ci.yml", CI)]);
    let seen = clone.push("dora");
    assert!(seen.contains("qnt9: run "), "{seen}");
}

#[tokio::test]
async fn an_unknown_key_in_the_rules_keeps_the_old_rules_in_force() {
    let home = Home::new();
    let rules = format!("{NO_GATES}\n[environment.production]\ntrigger = \"manual\"\n");
    let workflow = CI.replace("    steps:", "    environment: production\n    steps:");
    create_with_workflow(&home, &rules, &workflow).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let broken = rules.replace("trigger =", "triger  =");
    clone.commit("dora", "Open the gates by mistake", &[("qnt9.toml", &broken)]);
    let seen = clone.push("dora");
    assert!(seen.contains("qnt9: the rules stay as they were: qnt9.toml:5:1"), "{seen}");
    assert!(seen.contains("triger") && seen.contains("trigger"), "{seen}");
    let environments = platform.get("dora", "/environments").await;
    let rules = environments[0]["rules"].to_string();
    assert!(rules.contains("hand") || rules.contains("dispatch"), "{environments:#}");
    let run = platform.ended(crate::project::newest_run(&platform).await).await;
    assert_eq!(run["run"]["result"], "failure", "{run:#}");
    assert!(run.to_string().contains("a person must dispatch it"), "{run:#}");
}

#[tokio::test]
async fn pushes_need_a_token_of_somebody_who_may_push() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, CI).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    clone.commit("dora", "Say something", &[("README.md", "Something.\n")]);
    let refused = clone.git(&["push", "origin", "HEAD:main"]);
    assert!(!refused.status.success());
    let url = home.url().replace("http://", "http://dora:wrong@");
    let refused = clone.git(&["push", &format!("{url}/git/shop.git"), "HEAD:main"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    let runs = platform.get("dora", "/runs").await;
    assert_eq!(runs.as_array().unwrap().len(), 0, "{runs:#}");
}

/// A push whose server dies may go on moving refs. The next server ends it before it looks, removes the
/// lock that it held, and takes in what moved before.
#[tokio::test]
async fn nobody_moves_a_ref_behind_the_back_of_the_next_server() {
    let home = Home::new();
    let dispatched = CI.replace("on: push", "on: workflow_dispatch");
    create_with_workflow(&home, NO_GATES, &dispatched).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let commit = |title: &str| {
        clone.commit("dora", title, &[("README.md", title)]);
        said(&clone.git(&["rev-parse", "HEAD"])).trim().to_owned()
    };
    commit("First");
    clone.push("dora");
    let (moved, late) = (commit("Second"), commit("Third"));
    let pushed = clone.try_push("dora", "other");
    assert!(pushed.status.success(), "{}", said(&pushed));
    platform.kill();

    let repository = home.data().canonicalize().unwrap().join("git/shop.git");
    let git = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&repository);
        home.prepare(&mut shell);
        // As git is marked that takes in a push.
        shell.env("QNT9_RECEIVES", format!("{}#1.1", repository.display()));
        shell
    };
    // One ref has moved already and was never told of, and one is about to move.
    let done = git(&format!("git update-ref refs/heads/main {moved}")).status().unwrap();
    assert!(done.success());
    let lock = repository.join("refs/heads/other.lock");
    std::fs::write(&lock, "").unwrap();
    let mut orphan =
        git(&format!("sleep 4; rm {}; git update-ref refs/heads/main {late}", lock.display()))
            .spawn()
            .unwrap();
    let platform = home.up();
    let ended = orphan.wait().unwrap();
    assert!(!ended.success(), "the orphan was left at work");
    wait_until("the lock is removed", || !lock.exists());
    tokio::time::sleep(Duration::from_millis(300)).await;

    let body = serde_json::json!({ "workflow": "ci.yml", "ref": "main" });
    let (status, answer) = platform.post("dora", "/dispatch", body).await;
    assert!(status < 300, "{status} {answer}");
    let run = platform.ended(newest_run(&platform).await).await;
    assert_eq!(run["run"]["commit"], moved.as_str(), "what moved is known: {run:#}");
    commit("Fourth");
    clone.push("dora");
    let pushed = clone.try_push("dora", "other");
    assert!(pushed.status.success(), "{}", said(&pushed));
}
