//! Which secrets are set, as far as that can be known: from a file, or from the server. Only names
//! are read, never values.

use std::path::Path;
use std::time::Duration;

use qnt9_server::api::shapes::SecretShape;
use qnt9_workflow::lint::KnownSecret;

use super::read;
use crate::cli::Common;
use crate::commands::asking::Asking;
use crate::failure::Failure;

/// How long a server may take to answer: the check does without it.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The secrets of a file, or else of the project's server; without either a note that says so.
pub(super) async fn known(
    common: &Common,
    file: Option<&Path>,
) -> Result<(Option<Vec<KnownSecret>>, Option<String>), Failure> {
    if let Some(file) = file {
        return Ok((Some(named(&file.display().to_string(), &read(file)?)?), None));
    }
    let unknown = |why: &str| {
        let note =
            format!("note: which secrets are set is not known ({why}): --secrets FILE names them");
        Ok((None, Some(note)))
    };
    match tokio::time::timeout(ANSWER_WAIT, of_server(common)).await {
        Ok(Ok(secrets)) => Ok((Some(secrets), None)),
        Ok(Err(failure)) => unknown(&failure.message),
        Err(_) => unknown("the server does not answer"),
    }
}

async fn of_server(common: &Common) -> Result<Vec<KnownSecret>, Failure> {
    let secrets: Vec<SecretShape> = Asking::of(common).await?.get("/secrets").await?;
    let known = |secret: SecretShape| KnownSecret {
        name: secret.name,
        environment: secret.environment.map(|environment| environment.to_string()),
    };
    Ok(secrets.into_iter().map(known).collect())
}

/// A line each: a name, and the environment whose jobs get it, if it is not for all.
fn named(file: &str, text: &str) -> Result<Vec<KnownSecret>, Failure> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let mut secrets = Vec::new();
    for (at, line) in lines {
        let mut words = line.split_whitespace();
        let is_name =
            |name: &&str| name.bytes().all(|each| each.is_ascii_alphanumeric() || each == b'_');
        match (words.next().filter(is_name), words.next(), words.next()) {
            (Some(name), environment, None) => secrets.push(KnownSecret {
                name: name.to_owned(),
                environment: environment.map(str::to_owned),
            }),
            // The line is not shown: it may hold a secret.
            _ => {
                return Err(Failure::new(format!("{file}:{}: this names no secret", at + 1))
                    .hint("a line is NAME, or NAME ENVIRONMENT; values do not belong here"));
            }
        }
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_secrets_and_their_environments() {
        let secrets = named("f", "# ours\nA\n\nB production\n").unwrap();
        let known = |name: &str, environment: Option<&str>| KnownSecret {
            name: name.to_owned(),
            environment: environment.map(str::to_owned),
        };
        assert_eq!(secrets, [known("A", None), known("B", Some("production"))]);
    }

    #[test]
    fn a_value_in_the_file_is_refused_and_not_shown() {
        for text in ["A\nB=hunter2", "A\nB production hunter2"] {
            let error = named("f", text).unwrap_err();
            assert_eq!(error.message, "f:2: this names no secret");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
