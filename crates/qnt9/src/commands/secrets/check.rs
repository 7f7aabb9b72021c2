//! `qnt9 secrets check`: secrets that are referred to and not there, there and not referred to, or of the wrong
//! kind. Values are never printed.

use std::path::Path;
use std::process::ExitCode;

use qnt9_inspect::secret::{self, ABSENT, ELSEWHERE, Reference, ReferredBy, UNUSED, references};
use qnt9_inspect::{Code, Repository, Severity};
use qnt9_server::api::shapes::SecretShape;
use serde::Serialize;

use super::live;
use crate::cli::{Common, SecretsCheck};
use crate::commands::asking::{Asking, format, print};
use crate::failure::{Exit, Failure};
use crate::render::count;
use crate::repository::Folder;

/// A secret that is set; whose jobs get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    /// `None`: every job's.
    pub environment: Option<String>,
}

impl From<SecretShape> for Secret {
    fn from(shape: SecretShape) -> Self {
        Self { name: shape.name, environment: shape.environment.map(|one| one.to_string()) }
    }
}

/// What was found of one secret.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    pub name: String,
    /// `QX7002`; absent when nothing is wrong.
    pub code: Option<&'static str>,
    #[serde(skip)]
    severity: Option<Severity>,
    pub message: String,
    pub hint: Option<String>,
    /// Where it is referred to.
    pub places: Vec<Reference>,
}

impl Compared {
    /// Whether it will fail.
    pub fn is_error(&self) -> bool {
        self.severity == Some(Severity::Error)
    }

    fn of(code: &Code, name: &str, message: String, hint: String, places: Vec<Reference>) -> Self {
        Self {
            name: name.to_owned(),
            code: Some(code.id),
            severity: Some(code.severity),
            message,
            hint: Some(hint),
            places,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Checked {
    environment: Option<String>,
    secrets: Vec<Compared>,
    problems: usize,
}

/// Compares what the repository refers to with what is set, or with the values of a file.
pub async fn run(common: &Common, args: &SecretsCheck) -> Result<ExitCode, Failure> {
    let folder = Folder::read(&args.repo).await?;
    let environment = args.environment.as_deref();
    let secrets = match &args.values {
        Some(path) => {
            let values = read_values(path)?;
            let set = values.iter().map(|(name, _)| Secret {
                name: name.clone(),
                environment: environment.map(str::to_owned),
            });
            let set: Vec<Secret> = set.collect();
            let mut secrets = compare(&folder.repository, environment, &set);
            judge_values(&mut secrets, &values);
            if args.live {
                secrets.extend(live::ask(&values).await);
            }
            secrets
        }
        None => {
            let set: Vec<SecretShape> = Asking::of(common).await?.get("/secrets").await?;
            let set: Vec<Secret> = set.into_iter().map(Secret::from).collect();
            compare(&folder.repository, environment, &set)
        }
    };
    let problems = secrets.iter().filter(|one| one.is_error()).count();
    let checked = Checked { environment: args.environment.clone(), secrets, problems };
    print(format(common), &checked, text);
    Ok(if problems > 0 { ExitCode::from(Exit::Lacks as u8) } else { ExitCode::SUCCESS })
}

/// What is referred to against what is set. With an environment, its jobs and those without one count.
pub fn compare(
    repository: &Repository,
    environment: Option<&str>,
    set: &[Secret],
) -> Vec<Compared> {
    let counts = |reference: &Reference| match (environment, &reference.environment) {
        (Some(wanted), Some(of_job)) => wanted == of_job,
        _ => true,
    };
    let all = references(repository);
    let mut names: Vec<&str> =
        all.iter().filter(|one| counts(one)).map(|one| one.name.as_str()).collect();
    names.dedup();
    let mut compared: Vec<Compared> = Vec::new();
    for name in names {
        let places: Vec<Reference> =
            all.iter().filter(|one| one.name == name && counts(one)).cloned().collect();
        compared.push(of_references(name, places, environment, set));
    }
    let is_here = |one: &&Secret| match (environment, &one.environment) {
        (Some(wanted), Some(of)) => wanted == of,
        _ => true,
    };
    for one in set.iter().filter(is_here) {
        let is_used = all.iter().any(|reference| reference.name.eq_ignore_ascii_case(&one.name));
        let is_told = compared.iter().any(|known| known.name == one.name);
        if !is_used && !is_told {
            let near = all
                .iter()
                .map(|reference| reference.name.as_str())
                .find(|name| is_like(name, &one.name));
            let message = "it is set, and nothing in the repository refers to it".to_owned();
            let hint = match near {
                Some(near) => format!("is `{near}` meant? Otherwise: qnt9 secrets rm {}", one.name),
                None => format!("qnt9 secrets rm {}", one.name),
            };
            compared.push(Compared::of(&UNUSED, &one.name, message, hint, Vec::new()));
        }
    }
    compared
}

fn of_references(
    name: &str,
    places: Vec<Reference>,
    environment: Option<&str>,
    set: &[Secret],
) -> Compared {
    let same: Vec<&Secret> = set.iter().filter(|one| one.name.eq_ignore_ascii_case(name)).collect();
    let reaches = |reference: &Reference| {
        let of_job = reference.environment.as_deref();
        same.iter().any(|one| match (&one.environment, of_job) {
            (None, _) => true,
            (Some(of), Some(job)) => of == job,
            // The environment is known only when the job runs: the one that is asked about, or any.
            (Some(of), None) => {
                reference.is_computed && environment.is_none_or(|wanted| wanted == of)
            }
        })
    };
    let unreached: Vec<Reference> = places.iter().filter(|one| !reaches(one)).cloned().collect();
    let Some(first) = unreached.first().cloned() else {
        let message = "it is set".to_owned();
        return Compared {
            name: name.to_owned(),
            code: None,
            severity: None,
            message,
            hint: None,
            places,
        };
    };
    let flag = first
        .environment
        .as_deref()
        .or(environment)
        .map(|one| format!(" --environment {one}"))
        .unwrap_or_default();
    let elsewhere: Vec<&str> = same.iter().filter_map(|one| one.environment.as_deref()).collect();
    if !elsewhere.is_empty() {
        let message = format!(
            "it is set for jobs of {} only, and here it is the empty text",
            elsewhere.join(", ")
        );
        let hint = match &first.environment {
            Some(_) => format!("qnt9 secrets set {name}{flag} < FILE"),
            None => {
                format!("give the job `environment: {}`, or set it for every job", elsewhere[0])
            }
        };
        return Compared::of(&ELSEWHERE, name, message, hint, unreached);
    }
    let (message, hint) = match first.by {
        ReferredBy::Workflow => (
            "it is referred to and not set: the step gets the empty text".to_owned(),
            format!("qnt9 secrets set {name}{flag} < FILE"),
        ),
        ReferredBy::Terraform => {
            let variable = name.trim_start_matches("TF_VAR_");
            (
                format!(
                    "the variable `{variable}` is sensitive, and nothing gives it a value: terraform asks at a terminal that is not there"
                ),
                format!(
                    "add `{name}: ${{{{ secrets.{} }}}}` to the job's env",
                    variable.to_ascii_uppercase()
                ),
            )
        }
        ReferredBy::Manifest => {
            let (object, key) = name.split_once('/').unwrap_or((name, "KEY"));
            (
                format!(
                    "the pod refers to the key `{key}` of a Secret `{object}` that no manifest and no job makes"
                ),
                format!(
                    "kubectl create secret generic {object} --from-literal={key}=\"$VALUE\" in a job"
                ),
            )
        }
    };
    Compared::of(&ABSENT, name, message, hint, unreached)
}

fn is_like(name: &str, other: &str) -> bool {
    let parts =
        |text: &str| text.to_ascii_uppercase().split('_').map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (parts(name), parts(other));
    let shared = one.iter().filter(|part| other.contains(part)).count();
    shared * 2 >= one.len().max(other.len())
}

/// KEY=VALUE lines; one pair of quotes around a value belongs to the file and not to the value.
fn read_values(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::because(format!("cannot read {shown}"), &error))?;
    let mut values = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is not shown: it may hold a secret.
        let Some((name, value)) = line.trim_start_matches("export ").split_once('=') else {
            return Err(Failure::new(format!("{shown}:{}: this is not KEY=VALUE", at + 1)));
        };
        let quoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
        values.push((name.trim().to_owned(), quoted.unwrap_or(value).to_owned()));
    }
    Ok(values)
}

fn judge_values(secrets: &mut Vec<Compared>, values: &[(String, String)]) {
    for (name, value) in values {
        let Some(problem) = secret::judge(name, value) else { continue };
        let places = secrets.iter().find(|one| one.name == *name).map(|one| one.places.clone());
        secrets.retain(|one| one.name != *name || one.code.is_some());
        let places = places.unwrap_or_default();
        secrets.push(Compared::of(problem.code, name, problem.message, problem.hint, places));
    }
}

/// What a live answer says of a secret.
pub(super) fn refused(code: &'static Code, name: &str, message: String, hint: String) -> Compared {
    Compared::of(code, name, message, hint, Vec::new())
}

fn text(checked: &Checked) -> String {
    let mut text = String::new();
    for one in &checked.secrets {
        let sign = match (one.code, one.is_error()) {
            (None, _) => '✓',
            (Some(_), true) => '✗',
            (Some(_), false) => '!',
        };
        let code = one.code.map(|code| format!("{code}  ")).unwrap_or_default();
        text.push_str(&format!("{sign} {}  {code}{}\n", one.name, one.message));
        if one.code.is_some() {
            for place in &one.places {
                let of = place
                    .environment
                    .as_ref()
                    .map(|name| format!("  (job of {name})"))
                    .unwrap_or_default();
                text.push_str(&format!("    {}:{}{of}\n", place.file, place.line));
            }
            text.push_str(&format!("    {}\n", one.hint.as_deref().unwrap_or_default()));
        }
    }
    if checked.secrets.is_empty() {
        text.push_str("the repository refers to no secret, and none is set\n");
    }
    let unused = checked.secrets.iter().filter(|one| one.code == Some(UNUSED.id)).count();
    let well = checked.secrets.iter().filter(|one| one.code.is_none()).count();
    text.push_str(&format!(
        "\n{well} well, {unused} unused, {}\n",
        count(checked.problems, "problem")
    ));
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const WORKFLOW: &str = "on: push\njobs:\n  a:\n    environment: production\n    steps:\n      - run: x\n        env:\n          KEY: ${{ secrets.DD_API_KEY }}\n          CREDS: ${{ secrets.AZURE_CREDENTIALS }}\n  b:\n    steps:\n      - run: echo ${{ secrets.AZURE_CREDENTIALS }} ${{ secrets.EVERYWHERE }}\n";

    fn secret(name: &str, environment: Option<&str>) -> Secret {
        Secret { name: name.to_owned(), environment: environment.map(str::to_owned) }
    }

    fn repository() -> Repository {
        Repository::new([(".github/workflows/a.yml".to_owned(), WORKFLOW.as_bytes().to_vec())])
    }

    #[test]
    fn what_is_absent_unused_and_elsewhere_is_told_with_its_place() {
        let set = [
            secret("AZURE_CREDENTIALS", Some("production")),
            secret("EVERYWHERE", None),
            secret("DATADOG_API_KEY", Some("production")),
        ];
        let secrets = compare(&repository(), Some("production"), &set);
        let problems = secrets.iter().filter(|one| one.is_error()).count();
        let checked = Checked { environment: Some("production".to_owned()), secrets, problems };
        expect![[r#"
            ✗ AZURE_CREDENTIALS  QX7004  it is set for jobs of production only, and here it is the empty text
                .github/workflows/a.yml:12
                give the job `environment: production`, or set it for every job
            ✗ DD_API_KEY  QX7002  it is referred to and not set: the step gets the empty text
                .github/workflows/a.yml:8  (job of production)
                qnt9 secrets set DD_API_KEY --environment production < FILE
            ✓ EVERYWHERE  it is set
            ! DATADOG_API_KEY  QX7003  it is set, and nothing in the repository refers to it
                is `DD_API_KEY` meant? Otherwise: qnt9 secrets rm DATADOG_API_KEY

            1 well, 1 unused, 2 problems
        "#]]
        .assert_eq(&text(&checked));
    }

    #[test]
    fn another_environment_s_references_do_not_count() {
        let names: Vec<String> =
            compare(&repository(), Some("staging"), &[]).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["AZURE_CREDENTIALS", "EVERYWHERE"]);
    }

    #[test]
    fn values_of_a_file_are_judged_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values");
        std::fs::write(&path, "# a\nDD_API_KEY=\"hunter2hunter2\"\nexport B=c=d\n").unwrap();
        let values = read_values(&path).unwrap();
        assert_eq!(values[1], ("B".to_owned(), "c=d".to_owned()));
        let mut secrets = compare(&repository(), None, &[secret("DD_API_KEY", None)]);
        judge_values(&mut secrets, &values);
        let found = secrets.iter().find(|one| one.name == "DD_API_KEY").unwrap();
        assert_eq!(found.code, Some("QX7005"));
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        std::fs::write(&path, "hunter2\n").unwrap();
        let refused = read_values(&path).unwrap_err().to_string();
        assert!(
            refused.contains(":1: this is not KEY=VALUE") && !refused.contains("hunter2"),
            "{refused}"
        );
    }
}
