//! What a pusher is told when something in the push cannot be read or taken.

use crate::platform::{Home, said};
use crate::project::{Clone, NO_GATES, create_with_workflow};

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
