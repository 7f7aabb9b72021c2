//! Secrets that stand in files for everybody to read.

use super::Check;
use crate::Code;
use crate::finding::{Area, Findings, Place, Severity, number};
use crate::reading::Reading;
use crate::repository::name_of;
use crate::secret::{committed, is_placeholder};

pub(super) const CHECKS: &[Check] = &[tokens, assignments, addresses];

pub(super) const CODES: &[Code] = &[IN_PLAIN_TEXT];

const IN_PLAIN_TEXT: Code = Code {
    id: "QX7001",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a secret in a file",
    explanation: "Whoever can read the repository, its history or a clone of it has the secret. Taking it out of the file does not take it out of \
                  the history: it must be made invalid.",
    example: "db_password = \"Tr0ub4dor&3\"",
    fix: "Make it invalid where it came from, make a new one, and keep that: qnt9 secrets set DB_PASSWORD. In Terraform: variable \"db_password\" {\n  sensitive = true\n}",
};

/// Files that hold many a long word and no secrets.
const PASSED_OVER: &[&str] = &[
    "package-lock.json",
    "Cargo.lock",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "go.sum",
    ".terraform.lock.hcl",
];

/// Tokens that their shape gives away, in any file.
fn tokens(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, text) in reading.repository.texts() {
        if PASSED_OVER.contains(&name_of(path)) || path.ends_with(".svg") || path.ends_with(".map")
        {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            let place = |byte| Place { line: number(at + 1), column: Place::of(line, byte).column };
            if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") && !is_test(path) {
                let next = text.lines().nth(at + 1).unwrap_or_default();
                // A word of code that looks for keys is followed by no key.
                if next.trim().len() >= 40 && !next.trim().contains(' ') {
                    note(path, place(0), "a private key", findings);
                }
            }
            let mut from = 0;
            for word in line.split(|c: char| !c.is_ascii_alphanumeric() && !"-_./:".contains(c)) {
                let byte = line[from..].find(word).map_or(from, |offset| from + offset);
                from = byte + word.len();
                if word.len() >= 20
                    && !is_test(path)
                    && let Some(kind) = committed(word)
                {
                    note(path, place(byte), kind.words(), findings);
                }
            }
        }
    }
}

fn note(path: &str, place: Place, what: &str, findings: &mut Findings) {
    let message = format!("{what} stands here for everybody who can read the repository");
    let hint = "make it invalid where it came from, then keep a new one with `qnt9 secrets set`";
    findings.add(&IN_PLAIN_TEXT, path, place, message, hint);
}

/// Tests make up tokens.
fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "test" | "testdata" | "fixtures" | "__tests__"))
        || name_of(path).starts_with("test_")
        || ["_test.", ".test.", "tests.rs"].iter().any(|word| name_of(path).contains(word))
}

/// Words in a name that say that its value is a secret.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "client_secret",
    "auth_token",
    "token",
];

/// Whether the pipeline reads a file, and it is no example.
fn is_read(path: &str) -> bool {
    let name = name_of(path);
    let is_example = ["example", "sample", "template"].iter().any(|word| name.ends_with(word));
    let is_read = path.ends_with(".tfvars")
        || path.ends_with(".tf")
        || path.starts_with(".github/workflows/")
        || name.starts_with("Dockerfile")
        || name.starts_with(".env");
    is_read && !is_test(path) && !(name.starts_with(".env") && is_example)
}

/// Values given to names that say that they are secrets, where files are read by the pipeline.
fn assignments(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, text) in reading.repository.texts() {
        if !is_read(path) {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            let (Some(key), Some(value)) = assigned(line) else { continue };
            if is_secret_name(key) && is_literal_secret(value) {
                let message = format!(
                    "the value of `{key}` stands here for everybody who can read the repository"
                );
                let hint = "make it invalid, keep a new one with `qnt9 secrets set`, and take it from there";
                findings.add(&IN_PLAIN_TEXT, path, Place::line(number(at + 1)), message, hint);
            }
        }
    }
    for object in &reading.objects {
        in_object(object, findings);
    }
}

/// Addresses with a password in them, where files are read by the pipeline. A machine of one's own is no secret.
fn addresses(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, text) in reading.repository.texts().filter(|(path, _)| is_read(path)) {
        for (at, line) in text.lines().enumerate() {
            let Some((byte, name)) = password_in_address(line) else { continue };
            let place = Place { line: number(at + 1), column: Place::of(line, byte).column };
            let message = format!(
                "the password of `{name}` stands here for everybody who can read the repository"
            );
            let hint =
                "make it invalid, keep the address with `qnt9 secrets set`, and take it from there";
            findings.add(&IN_PLAIN_TEXT, path, place, message, hint);
        }
    }
}

/// Where the password of an address begins, and whose it is.
fn password_in_address(line: &str) -> Option<(usize, &str)> {
    if line.trim_start().starts_with(['#', '/']) {
        return None;
    }
    let start = line.find("://")? + "://".len();
    let rest = &line[start..];
    let end = rest.find(|c: char| c.is_whitespace() || "/\"'?#".contains(c)).unwrap_or(rest.len());
    let (user, host) = rest[..end].rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let own =
        ["localhost", "127.0.0.1", "postgres", "db", "redis", "mysql", "host.docker.internal"];
    let is_own = own.contains(&host.split(':').next().unwrap_or(host));
    (!is_own && is_literal_secret(password)).then_some((start + name.len() + 1, name))
}

/// Names and values of a line such as `a = "b"`, `a: b`, `ENV a=b`.
fn assigned(line: &str) -> (Option<&str>, Option<&str>) {
    let line = line.trim().trim_start_matches("- ");
    if line.starts_with('#') || line.starts_with("//") {
        return (None, None);
    }
    let line =
        ["ENV ", "ARG ", "export "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let at = line.find(['=', ':']);
    let Some((key, value)) = at.map(|at| (&line[..at], &line[at + 1..])) else {
        return (None, None);
    };
    (Some(key.trim().trim_matches('"')), Some(value.trim()))
}

fn is_secret_name(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let is_word = !key.contains(' ') && key.len() < 60;
    // Names of secrets, places of them and lengths of them are none themselves.
    let is_about = [
        "_name",
        "_id",
        "_path",
        "_file",
        "_arn",
        "_length",
        "_ttl",
        "_url",
        "_type",
        "id-token",
        "_enabled",
        "_version",
        "_ref",
        "secret_key_ref",
        "_min",
        "_max",
        "_days",
    ];
    is_word
        && SECRET_NAMES.iter().any(|word| lower.ends_with(word))
        && !is_about.iter().any(|word| lower.ends_with(word))
}

/// Whether a value is written out, and is more than a word of an example.
fn is_literal_secret(value: &str) -> bool {
    let is_quoted = value.starts_with('"') || value.starts_with('\'');
    let value = value
        .split(" #")
        .next()
        .unwrap_or(value)
        .trim()
        .trim_end_matches(',')
        .trim_matches(['"', '\'']);
    let is_computed =
        value.contains("${") || value.contains("{{") || value.contains('$') || value.contains('(');
    let is_reference = !is_quoted
        && [
            "var.", "local.", "data.", "module.", "random_", "secrets.", "azurerm_", "true",
            "false", "null", "write", "read", "none",
        ]
        .iter()
        .any(|word| value.starts_with(word));
    let is_address = value.contains("://")
        || value.starts_with('/')
        || value.starts_with('|')
        || value.starts_with('>');
    let is_everyday =
        ["postgres", "password", "secret", "example", "test", "dummy", "admin", "root", "string"]
            .contains(&value.to_ascii_lowercase().as_str());
    value.len() >= 8
        && !value.contains(char::is_whitespace)
        && !is_computed
        && !is_reference
        && !is_address
        && !is_everyday
        && !is_placeholder(value)
}

/// Secrets of manifests, and variables of containers that say they are secrets.
fn in_object(object: &crate::kubernetes::Object, findings: &mut Findings) {
    if object.kind == "Secret" {
        for (key, value) in ["stringData", "data"]
            .iter()
            .filter_map(|key| object.root.get(key))
            .flat_map(|node| node.entries())
        {
            let text = value.text().unwrap_or_default();
            if !text.is_empty() && !text.contains('$') && !is_placeholder(text) {
                let message = format!(
                    "the Secret {} holds `{}` for everybody who can read the repository (base64 hides nothing)",
                    object.name,
                    key.text().unwrap_or_default()
                );
                let hint = "make it invalid, and let a job make the Secret: kubectl create secret generic NAME --from-literal=..";
                findings.add(&IN_PLAIN_TEXT, &object.file, value.place, message, hint);
            }
        }
    }
    for container in object.containers() {
        for entry in container.node.get("env").map(crate::yaml::Node::items).unwrap_or_default() {
            let (Some(name), Some(value)) = (entry.text_at(&["name"]), entry.get("value")) else {
                continue;
            };
            if is_secret_name(name) && is_literal_secret(value.text().unwrap_or_default()) {
                let message = format!(
                    "the value of `{name}` stands here for everybody who can read the repository"
                );
                let hint =
                    "take it from a Secret: valueFrom: { secretKeyRef: { name: .., key: .. } }";
                findings.add(&IN_PLAIN_TEXT, container.file, value.place, message, hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_seen() {
        let found =
            password_in_address("ENV A=postgres://shop:hunter2secret@db.internal:5432/shop");
        assert_eq!(found, Some((22, "shop")));
        for line in [
            "postgres://postgres:postgrespassword@localhost:5432/test",
            "postgres://shop:${PASSWORD}@db.internal/shop",
            "https://example.com/a:b@c",
            "git@github.com:a/b",
            "# postgres://shop:hunter2secret@db.internal/shop",
        ] {
            assert_eq!(password_in_address(line), None, "{line}");
        }
    }
}
