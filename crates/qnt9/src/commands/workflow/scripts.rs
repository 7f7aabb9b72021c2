//! Shell scripts of workflows, checked by shellcheck where the machine has it.

use std::fs;

use qnt9_runner::tools::shellcheck::Shellcheck;
use qnt9_workflow::lint::Finding;
use qnt9_workflow::lint::scripts::{EXCLUDED, Remarks, Script, Shell, scripts};

use crate::failure::Failure;

/// A workflow file that has been read.
pub struct File<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// What shellcheck finds in the scripts of each file, in their order; nothing for anything when the
/// machine does not have it.
pub async fn check(files: &[File<'_>]) -> Result<Option<Vec<Vec<Finding>>>, Failure> {
    let path = std::env::var("PATH").unwrap_or_default();
    let Some(shellcheck) = Shellcheck::find(&path) else { return Ok(None) };
    let of_files = files.iter().enumerate();
    let all: Vec<(usize, Script)> = of_files
        .flat_map(|(at, file)| {
            scripts(file.name, file.text).into_iter().map(move |script| (at, script))
        })
        .collect();
    let mut findings = vec![Vec::new(); files.len()];
    // One process reads all scripts of a shell: starting it takes longer than reading one.
    for shell in Shell::ALL {
        for comment in ask(&shellcheck, shell, &all).await? {
            let script = comment.file.parse::<usize>().ok().and_then(|number| all.get(number));
            let Some((at, script)) = script else {
                let file = &comment.file;
                return Err(Failure::new(format!(
                    "shellcheck speaks of a file `{file}`, which it was not given"
                )));
            };
            let file = &files[*at];
            findings[*at].push(script.finding(file.name, file.text, &comment));
        }
    }
    Ok(Some(findings))
}

/// The remarks on all scripts of one shell. A script's file is named by its number.
async fn ask(
    shellcheck: &Shellcheck,
    shell: Shell,
    all: &[(usize, Script)],
) -> Result<Vec<qnt9_workflow::lint::scripts::Comment>, Failure> {
    let cannot_write =
        |error| Failure::because("cannot write scripts for shellcheck".to_owned(), &error);
    let folder = tempfile::tempdir().map_err(cannot_write)?;
    let mut names = Vec::new();
    for (number, (_, script)) in all.iter().enumerate().filter(|(_, one)| one.1.shell == shell) {
        let name = number.to_string();
        fs::write(folder.path().join(&name), script.text()).map_err(cannot_write)?;
        names.push(name);
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let said = shellcheck
        .check(folder.path(), shell.name(), &names, &EXCLUDED)
        .await
        .map_err(|error| Failure::because("shell scripts were not checked".to_owned(), &error))?;
    let remarks: Remarks = serde_json::from_str(&said)
        .map_err(|error| Failure::because("cannot read shellcheck's answer".to_owned(), &error))?;
    Ok(remarks.comments)
}
