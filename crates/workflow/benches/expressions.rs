//! A thousand expressions as workflows have them, from text to value.

use qnt9_workflow::{Object, Scope, Value, evaluate};

const EXPRESSIONS: [&str; 20] = [
    "github.ref == 'refs/heads/main'",
    "github.event_name == 'push' && github.ref == 'refs/heads/main'",
    "github.event_name == 'pull_request' || github.event_name == 'push'",
    "always()",
    "failure() && github.event_name != 'schedule'",
    "startsWith(github.ref, 'refs/tags/v')",
    "contains(github.event.head_commit.message, '[skip deploy]')",
    "contains(github.event.pull_request.labels.*.name, 'deploy')",
    "!cancelled() && needs.build.result == 'success'",
    "needs.build.outputs.version",
    "matrix.os == 'ubuntu-latest' && matrix.node >= 18",
    "steps.cache.outputs.cache-hit != 'true'",
    "secrets.DEPLOY_TOKEN",
    "format('{0}-{1}', github.sha, matrix.os)",
    "fromJSON(needs.plan.outputs.matrix).include[0].name",
    "toJSON(matrix)",
    "env.LEVEL == '' && 'info' || env.LEVEL",
    "inputs.environment",
    "github.event.inputs.dry_run == 'false'",
    "join(github.event.pull_request.labels.*.name, ', ')",
];
const COUNT: usize = 1_000;

fn main() {
    divan::main();
}

#[divan::bench]
fn a_thousand_expressions(bencher: divan::Bencher<'_, '_>) {
    let contexts = contexts();
    bencher.counter(divan::counter::ItemsCount::new(COUNT)).bench(|| {
        let scope = Scope::new(&contexts);
        for expression in EXPRESSIONS.iter().cycle().take(COUNT) {
            divan::black_box(
                evaluate(divan::black_box(expression), &scope).expect("it has a value"),
            );
        }
    });
}

fn contexts() -> Object {
    let json = r#"{
        "github": {
            "actor": "alice", "repository": "acme/shop", "run_id": "17", "run_number": "17",
            "workflow": "ci", "job": "test", "token": "t", "event_name": "push",
            "ref": "refs/heads/main", "ref_name": "main", "sha": "0123456789abcdef0123456789abcdef01234567",
            "event": {
                "head_commit": { "id": "0123456", "message": "Make the cart faster" },
                "inputs": { "dry_run": "false" },
                "pull_request": { "labels": [{ "name": "bug" }, { "name": "deploy" }] }
            }
        },
        "env": { "LEVEL": "", "PATH": "/bin" },
        "vars": { "REGION": "eu" },
        "secrets": { "DEPLOY_TOKEN": "s3cret" },
        "inputs": { "environment": "staging" },
        "matrix": { "os": "ubuntu-latest", "node": 20 },
        "needs": {
            "build": { "result": "success", "outputs": { "version": "1.2.3" } },
            "plan": { "result": "success", "outputs": { "matrix": "{\"include\": [{\"name\": \"a\"}]}" } }
        },
        "steps": { "cache": { "outputs": { "cache-hit": "true" }, "outcome": "success" } }
    }"#;
    match Value::from_json_text(json).expect("it is JSON") {
        Value::Object(object) => object,
        other => unreachable!("{other:?} is no object"),
    }
}
