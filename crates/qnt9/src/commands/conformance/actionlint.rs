//! actionlint's cases: `ok` without errors, `err` and `examples` with the findings beside them.

use std::path::Path;

use qnt9_workflow::conformance::{BEYOND, SHELLCHECK, run_lint_case};
use qnt9_workflow::lint::{Finding, Surroundings};

use super::{Report, files, read};
use crate::commands::workflow::scripts::{self, File};
use crate::failure::Failure;

/// Runs every case of a folder that holds some of `ok`, `err` and `examples`.
pub(super) async fn run(dir: &Path, report: &mut Report) -> Result<(), Failure> {
    let folders: Vec<&str> =
        ["ok", "err", "examples"].into_iter().filter(|name| dir.join(name).is_dir()).collect();
    if folders.is_empty() {
        let shown = dir.display();
        return Err(Failure::new(format!("{shown} holds none of ok, err and examples")));
    }
    for folder in folders {
        for file in files(&dir.join(folder), "yaml")? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{folder}/{name}");
            let text = read(&file)?;
            let mut more = Vec::new();
            if let Some((_, needs)) = BEYOND.iter().find(|(case, _)| *case == name) {
                let found =
                    if *needs == SHELLCHECK { of_scripts(&name, &text).await? } else { None };
                let Some(found) = found else {
                    report.passed_over.push(format!("{name}, which needs {needs}"));
                    continue;
                };
                more = found;
            }
            let beside = file.with_extension("out");
            let expected = if beside.is_file() { Some(read(&beside)?) } else { None };
            let nothing = Surroundings::NOTHING;
            let result = run_lint_case(&name, &text, expected.as_deref(), &nothing, more);
            report.count(&file, name, result);
        }
    }
    Ok(())
}

/// What shellcheck says of a case; `None` when the machine does not have it.
async fn of_scripts(name: &str, text: &str) -> Result<Option<Vec<Finding>>, Failure> {
    let found = scripts::check(&[File { name, text }]).await?;
    Ok(found.map(|of_files| of_files.into_iter().flatten().collect()))
}
