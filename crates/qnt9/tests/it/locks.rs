//! Locks of Terraform states, and secrets that are referred to, as people ask about them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::platform::{Home, said};
use crate::project::{NO_GATES, create, create_with_workflow, token};

#[tokio::test]
async fn a_lock_is_explained_before_it_is_forced() {
    let home = Home::new();
    create(&home, &[("qnt9.toml", NO_GATES)]).await;
    let platform = home.up();
    let state = format!("{}/api/terraform/shop/state/prd", platform.url);
    let qnt9 =
        |args: &[&str]| home.command(args).env("QNT9_TOKEN", token("root")).output().unwrap();

    let free = qnt9(&["state", "unlock", "prd", "--explain"]);
    assert!(
        free.status.success() && said(&free).contains("nobody holds its lock"),
        "{}",
        said(&free)
    );

    let info = json!({ "ID": "lock-1", "Operation": "OperationTypeApply", "Who": "dora@laptop" });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let lock = Method::from_bytes(b"LOCK").unwrap();
    let request = client.request(lock, format!("{state}/lock")).bearer_auth(token("dora"));
    assert_eq!(request.json(&info).send().await.unwrap().status(), 200);

    let held = qnt9(&["--json", "state", "unlock", "prd", "--explain"]);
    assert_eq!(held.status.code(), Some(3), "{}", said(&held));
    let explained: Value = serde_json::from_slice(&held.stdout).unwrap();
    assert_eq!(explained["lock"], "lock-1");
    assert_eq!(explained["who"], "dora@laptop");
    assert_eq!(explained["safety"], "unknown", "nobody can see a laptop from here: {explained:#}");

    let other = qnt9(&["state", "unlock", "prd", "--lock", "lock-2", "--yes"]);
    assert!(said(&other).contains("it is lock-1"), "{}", said(&other));
    let unasked = qnt9(&["state", "unlock", "prd"]);
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    let forced = qnt9(&["state", "unlock", "prd", "--yes"]);
    assert!(forced.status.success() && said(&forced).contains("is open"), "{}", said(&forced));
    assert!(qnt9(&["state", "unlock", "prd", "--explain"]).status.success());
}

#[tokio::test]
async fn secrets_that_are_referred_to_and_not_set_are_told_with_their_place() {
    let home = Home::new();
    let workflow = "on: push\njobs:\n  a:\n    runs-on: x\n    environment: production\n    steps:\n      - run: echo \"${{ secrets.API_KEY }}\"\n";
    create_with_workflow(&home, NO_GATES, workflow).await;
    let platform = home.up();
    let repo = home.path("repo");
    std::fs::create_dir_all(repo.join(".github/workflows")).unwrap();
    std::fs::write(repo.join(".github/workflows/ci.yml"), workflow).unwrap();
    let check = || {
        let args = ["secrets", "check", "--env", "production", "--repo", repo.to_str().unwrap()];
        home.command(&args).env("QNT9_TOKEN", token("root")).output().unwrap()
    };
    let absent = check();
    let text = said(&absent);
    assert_eq!(absent.status.code(), Some(4), "{text}");
    assert!(text.contains("QX7002") && text.contains(".github/workflows/ci.yml:7"), "{text}");
    assert_eq!(platform.set_secret("API_KEY", "s3cret-value").await.0, 204);
    let there = check();
    assert!(there.status.success(), "{}", said(&there));
}
