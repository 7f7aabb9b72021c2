//! Whole runs of a small project.

use serde_json::json;

use crate::platform::{Home, job};
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run};

const CI: &str = r#"
name: CI
on:
  push:
    branches: [main]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        suite: [fast, slow]
    outputs:
      count: ${{ steps.count.outputs.count }}
    steps:
      - uses: actions/checkout@v4
      - id: count
        run: |
          echo "suite ${{ matrix.suite }} of $GITHUB_SHA"
          echo "count=$(wc -l < README.md)" >> "$GITHUB_OUTPUT"
  next:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - run: echo "counted ${{ needs.test.outputs.count }} on ${{ github.ref_name }}"
  skipped:
    needs: test
    if: github.ref == 'refs/heads/elsewhere'
    runs-on: ubuntu-latest
    steps:
      - run: echo never
  broken:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - run: exit 3
      - if: failure()
        run: echo "after the failure"
  after-broken:
    needs: broken
    runs-on: ubuntu-latest
    steps:
      - run: echo never
  end:
    needs: [next, skipped, broken]
    if: always()
    runs-on: ubuntu-latest
    steps:
      - run: echo "next ${{ needs.next.result }}, skipped ${{ needs.skipped.result }}, broken ${{ needs.broken.result }}"
"#;

#[tokio::test]
async fn a_push_runs_matrix_needs_outputs_conditions_and_always() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, CI).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    clone.commit("dora", "Say something", &[("README.md", "one\ntwo\n")]);
    let seen = clone.push("dora");
    let id = crate::project::newest_run(&platform).await;
    assert!(seen.contains(&format!("{}/p/shop/runs/{id}", home.url())), "{seen}");
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "failure", "{run:#}");
    let result = |key| job(&run, key)["result"].clone();
    let results = ["test", "next", "skipped", "broken", "after-broken", "end"].map(result);
    assert_eq!(
        results,
        ["success", "success", "skipped", "failure", "skipped", "success"].map(|word| json!(word))
    );
    assert_eq!(job(&run, "test")["legs"].as_array().unwrap().len(), 2);
    let lines = async |job: &str| {
        let lines = platform.log(id, job).await;
        lines.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
    };
    let next = lines("next").await;
    assert!(next.contains("counted 2 on main"), "{next}");
    let broken = lines("broken").await;
    assert!(broken.contains("after the failure"), "{broken}");
    let end = lines("end").await;
    assert!(end.contains("next success, skipped skipped, broken failure"), "{end}");
    let commit = String::from_utf8(clone.git(&["rev-parse", "HEAD"]).stdout).unwrap();
    let legs = job(&run, "test")["legs"].as_array().unwrap();
    for (leg, suite) in legs.iter().zip(["fast", "slow"]) {
        let text = lines(leg["job"].as_str().unwrap()).await;
        assert!(text.contains(&format!("suite {suite} of {}", commit.trim())), "{text}");
    }
}

const SECRETIVE: &str = r#"
on: push
jobs:
  leak:
    runs-on: ubuntu-latest
    env:
      WORD: ${{ secrets.WORD }}
    steps:
      - run: |
          echo "plain $WORD"
          echo "encoded $(printf %s "$WORD" | base64)"
          echo "made here: $(echo made-here | rev)"
      - run: |
          echo "::add-mask::$(echo made-here | rev)"
          echo "now $(echo made-here | rev)"
"#;

#[tokio::test]
async fn secrets_are_masked_in_logs_in_their_encoded_forms_too() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, SECRETIVE).await;
    let platform = home.up();
    let (status, text) = platform.set_secret("WORD", "correct-horse-battery").await;
    assert!((200..300).contains(&status), "{text}");
    let id = start_run(&platform, &Clone::of(&platform)).await;
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let lines = platform.log(id, "leak").await;
    let log: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    assert!(log.contains(&"plain ***"), "{log:#?}");
    assert!(log.contains(&"encoded ***"), "{log:#?}");
    assert!(log.contains(&"made here: ereh-edam"), "{log:#?}");
    assert!(log.contains(&"now ***"), "{log:#?}");
    let listed = platform.get("dora", "/secrets").await.to_string();
    assert!(listed.contains("WORD") && !listed.contains("correct"), "{listed}");
}

const ARTIFACTS: &str = r#"
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p out/deep && echo "from the first job" > out/deep/letter && touch out/empty
      - uses: actions/upload-artifact@v4
        with:
          name: letters
          path: out
  take:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with:
          name: letters
          path: here
      - run: cat here/deep/letter && test -f here/empty
"#;

#[tokio::test]
async fn artifacts_go_from_job_to_job() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, ARTIFACTS).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let taken = platform.log(id, "take").await;
    assert!(taken.iter().any(|(_, text)| text == "from the first job"), "{taken:#?}");
}

const SLEEPY: &str = r#"
on: push
jobs:
  sleep:
    runs-on: ubuntu-latest
    steps:
      - run: echo asleep; sleep 600
      - if: cancelled()
        run: echo "tidied up"
  after:
    needs: sleep
    runs-on: ubuntu-latest
    steps:
      - run: echo never
"#;

#[tokio::test]
async fn a_cancelled_run_ends_its_processes_and_lets_jobs_tidy_up() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, SLEEPY).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "sleep", "asleep").await;
    let (status, answer) = platform.post("dora", &format!("/runs/{id}/cancel"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "cancelled", "{run:#}");
    let log = platform.log(id, "sleep").await;
    assert!(log.iter().any(|(_, text)| text == "tidied up"), "{log:#?}");
    let (status, answer) = platform.post("dora", &format!("/runs/{id}/cancel"), json!({})).await;
    assert_eq!(status, 409, "{answer}");
}
