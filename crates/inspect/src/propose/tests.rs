use expect_test::expect;

use super::*;

fn repository(files: &[(&str, &str)]) -> Repository {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
    Repository::new(files.iter().map(owned))
}

fn wishes() -> Wishes {
    Wishes { project: "shop".to_owned(), approver: "ada".to_owned(), branch: "main".to_owned() }
}

fn proposed(files: &[(&str, &str)]) -> Proposal {
    propose(&repository(files), &wishes()).unwrap()
}

#[test]
fn a_site_of_files_is_served_by_qnt9_itself() {
    let proposal = proposed(&[("public/index.html", "<h1>Hello</h1>")]);
    expect![[r##"
        # How qnt9 delivers this repository; behind each line stands where it comes from. All keys: docs/gates.md of qnt9.

        [project]
        name = "shop"  # the folder's name

        [service.site]  # a site of files
        command = ["qnt9", "serve-static", "site"]  # public/index.html
        health = "/"  # assumed: the front page

        [environment.staging]  # assumed: no workflow names an environment
        branches = ["main"]  # the branch that is checked out

        [environment.production]  # assumed: no workflow names an environment
        branches = ["main"]  # the branch that is checked out
        replicas = 2  # assumed: two, so that one may fail
        approvals = { needed = 1, from = ["ada"], exclude = "nobody" }  # you alone, so that nobody is locked out; with more people raise `needed` and write exclude = "authors"
    "##]]
    .assert_eq(&proposal.files[0].text);
    assert_eq!(proposal.notes, [""; 0]);
}

#[test]
fn a_node_service_is_checked_built_and_started_as_its_package_says() {
    let package = r#"{"name": "@shop/api", "scripts": {"start": "node src/server.js", "test": "node --test"}, "dependencies": {"x": "1"}}"#;
    let server = "app.get('/readyz', ready)\napp.listen(process.env.PORT)\n";
    let files = [("package.json", package), ("package-lock.json", "{}"), ("src/server.js", server)];
    let proposal = proposed(&files);
    expect![[r#"
        # Check, build once, and bring that one release from environment to environment.
        # What an environment waits for stands in qnt9.toml.
        name: Deliver

        on:
          push:
            branches: ["main"]
          workflow_dispatch:

        permissions:
          contents: read

        jobs:
          check:
            runs-on: ubuntu-latest
            timeout-minutes: 15
            steps:
              - uses: actions/checkout@v4
              - run: npm ci
              - run: npm test
              - run: qnt9 evidence record tests --result success

          release:
            needs: check
            runs-on: ubuntu-latest
            timeout-minutes: 15
            outputs:
              digest: ${{ steps.release.outputs.digest }}
            steps:
              - uses: actions/checkout@v4
              - run: npm ci
              - id: release
                run: qnt9 release build --service shop-api --folder .=.

          deploy-staging:
            needs: release
            runs-on: ubuntu-latest
            environment: staging
            timeout-minutes: 30
            env:
              RELEASE: ${{ needs.release.outputs.digest }}
            steps:
              - run: qnt9 deploy --environment staging --release "$RELEASE"
              - run: qnt9 health --environment staging

          deploy-production:
            needs: [release, deploy-staging]
            runs-on: ubuntu-latest
            environment: production
            timeout-minutes: 30
            env:
              RELEASE: ${{ needs.release.outputs.digest }}
            steps:
              - run: qnt9 deploy --environment production --release "$RELEASE"
              - run: qnt9 health --environment production
    "#]]
    .assert_eq(&proposal.files[1].text);
    let health = proposal.sources.iter().find(|one| one.key.ends_with(".health")).unwrap();
    assert_eq!((health.value.as_str(), health.from.as_str()), ("/readyz", "src/server.js:1"));
    let command = proposal.sources.iter().find(|one| one.key.ends_with(".command")).unwrap();
    assert_eq!(command.value, r#"["node", "src/server.js"]"#);
}

#[test]
fn a_fastapi_program_gets_its_port_and_its_libraries() {
    let files = [("main.py", "app = FastAPI()\n"), ("requirements.txt", "fastapi\nuvicorn\n")];
    let proposal = proposed(&files);
    assert!(
        proposal.files[0].text.contains(
            r#"command = ["env", "PYTHONPATH=lib", "sh", "-c", "exec python3 -m uvicorn main:app --host 127.0.0.1 --port $PORT"]"#
        ),
        "{}",
        proposal.files[0].text
    );
    assert!(
        proposal.files[1].text.contains("pip install --quiet --target lib -r requirements.txt")
    );
    assert!(proposal.notes[0].contains("no health path"), "{:?}", proposal.notes);
}

#[test]
fn environments_come_from_workflows_with_their_branches() {
    let develop = "on:\n  push:\n    branches: [develop]\njobs:\n  a:\n    runs-on: x\n    environment: dev\n    steps: []\n";
    let by_hand = "on: workflow_dispatch\njobs:\n  a:\n    runs-on: x\n    environment: { name: prd }\n    steps: []\n";
    let files = [
        ("index.html", ""),
        (".github/workflows/a.yml", develop),
        (".github/workflows/b.yml", by_hand),
    ];
    let rules = &proposed(&files).files[0].text;
    assert!(rules.contains("branches = [\"develop\"]  # .github/workflows/a.yml:3"), "{rules}");
    assert!(
        rules.contains("trigger = \"manual\"  # .github/workflows/b.yml:1: only dispatched"),
        "{rules}"
    );
}

#[test]
fn a_fixed_port_is_said() {
    let files = [
        ("package.json", r#"{"scripts": {"start": "node a.js"}}"#),
        ("a.js", "http.listen(3000)\n"),
    ];
    let notes = proposed(&files).notes;
    assert!(notes[0].contains("port 3000 (a.js:1)"), "{notes:?}");
}

#[test]
fn a_workflow_that_deploys_is_left_alone_and_nothing_to_run_is_nothing_proposed() {
    let delivers = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: qnt9 deploy\n";
    let files = [("index.html", ""), (".github/workflows/a.yml", delivers)];
    assert_eq!(proposed(&files).files.len(), 1);
    assert_eq!(propose(&repository(&[("README.md", "")]), &wishes()), None);
}

#[test]
fn services_in_folders_are_named_each_once() {
    let package = r#"{"scripts": {"start": "node a.js"}}"#;
    let files = [
        ("services/stock/package.json", package),
        ("services/stock/web/index.html", ""),
        ("services/auth/go.mod", "module auth\n"),
        ("services/auth/main.go", "package main\nfunc main() {}\n"),
        ("examples/shop/index.html", ""),
        ("README.md", ""),
    ];
    assert_eq!(propose(&repository(&files), &wishes()), None);
    assert_eq!(services_below(&repository(&files)), ["services/auth", "services/stock"]);
    assert!(services_below(&repository(&[("README.md", "")])).is_empty());
}
