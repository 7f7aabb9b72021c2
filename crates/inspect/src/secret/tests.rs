use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

fn code(name: &str, value: &str) -> Option<&'static str> {
    judge(name, value).map(|problem| problem.code.id)
}

#[test]
fn a_value_of_another_kind_than_its_name_is_found() {
    let terraform = format!("Abcdefgh123456.atlasv1.{}", "aB3".repeat(22));
    let vault = format!("hvs.{}", "aB3".repeat(10));
    for (name, value, wrong) in [
        ("DD_API_KEY", &HEX[..32], false),
        ("DD_API_KEY", HEX, true),
        ("DD_APP_KEY", HEX, false),
        ("DD_APP_KEY", &HEX[..32], true),
        ("VAULT_TOKEN", &vault, false),
        ("VAULT_TOKEN", &format!("hvb.{}", "aB3".repeat(10)), true),
        ("VAULT_ADDR", "https://vault.example.com:8200", false),
        ("VAULT_ADDR", "vault.example.com:8200", true),
        ("VAULT_ADDR", "https://vault.example.com:8200/v1", true),
        ("TF_API_TOKEN", &terraform, false),
        ("TF_API_TOKEN", HEX, true),
        ("GH_TOKEN", &format!("ghp_{}", "aB3".repeat(12)), false),
        ("GH_TOKEN", &format!("ghs_{}", "aB3".repeat(12)), true),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7ABCDEFG", false),
        ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7ABCDEFG", true),
        ("CODECOV_TOKEN", "12345678-1234-1234-1234-123456789012", false),
        ("CODECOV_TOKEN", HEX, true),
        ("SOMETHING_ELSE", HEX, false),
    ] {
        let expected = wrong.then_some(WRONG_KIND.id);
        assert_eq!(code(name, value), expected, "{name} {value}");
    }
}

#[test]
fn azure_s_credentials_need_their_fields() {
    let id = "12345678-1234-1234-1234-123456789012";
    let whole = format!(
        r#"{{"clientId":"{id}","clientSecret":"x","subscriptionId":"{id}","tenantId":"{id}"}}"#
    );
    assert_eq!(code("AZURE_CREDENTIALS", &whole), None);
    assert_eq!(code("AZURE_CREDENTIALS_PRD", "hunter2"), Some(INCOMPLETE.id));
    let newer = format!(r#"{{"appId":"{id}","password":"x","tenant":"{id}"}}"#);
    let problem = judge("AZURE_CREDENTIALS", &newer).unwrap();
    assert!(
        problem.message.contains("lacks clientId, clientSecret, subscriptionId, tenantId"),
        "{}",
        problem.message
    );
    assert!(problem.hint.contains("--json-auth"));
}

#[test]
fn examples_and_wrapped_values_are_found_and_never_shown() {
    for example in [
        "your-token",
        "<token>",
        "<your token>",
        "CHANGEME",
        "xxxxxxxx",
        "TODO",
        "https://your-vault.vault.hashicorp.cloud:8200",
    ] {
        assert_eq!(code("ANY", example), Some(PLACEHOLDER.id), "{example}");
    }
    for real in
        ["todo-app", "yourself", "https://api.example.com", "a<b", "${{ x }}", "Tr0ub4dor&3"]
    {
        assert_eq!(code("ANY", real), None, "{real}");
    }
    assert_eq!(code("ANY", "\"hunter2\""), Some(WRAPPED.id));
    assert_eq!(code("ANY", "hunter2\n"), Some(WRAPPED.id));
    let problem = judge("DD_API_KEY", "hunter2hunter2").unwrap();
    assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
}

#[test]
fn references_know_their_place_and_environment() {
    let workflow = "on: push\nenv:\n  A: ${{ secrets.A }}\njobs:\n  x:\n    environment: production\n    steps:\n      - run: |\n          echo ${{ secrets.B }}\n          echo secrets.NOT\n      - if: secrets.C != ''\n        run: \"${{ github.token }} ${{ secrets.GITHUB_TOKEN }}\"\n";
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}]}]}}}\n";
    let terraform = "terraform {\n  backend \"http\" {}\n}\nvariable \"db_password\" {\n  sensitive = true\n}\n";
    let files = [
        (".github/workflows/a.yml", workflow),
        ("k8s/a.yaml", manifest),
        ("infra/main.tf", terraform),
    ];
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
    let found = references(&crate::Repository::new(files.iter().map(owned)));
    let seen: Vec<_> =
        found.iter().map(|one| (one.name.as_str(), one.line, one.environment.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("A", 3, None),
            ("B", 9, Some("production")),
            ("C", 11, Some("production")),
            ("TF_VAR_db_password", 4, None),
            ("db/password", 3, None)
        ]
    );
}
