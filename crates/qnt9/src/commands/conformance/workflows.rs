//! GitHub's cases of reading workflows.

use std::path::Path;

use qnt9_workflow::conformance::run_reader_case;

use super::{Report, files, read};
use crate::failure::Failure;

/// Runs every case of a folder.
pub(super) fn run(dir: &Path, report: &mut Report) -> Result<(), Failure> {
    for file in files(dir, "yml")? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let result = run_reader_case(&name, &read(&file)?);
        report.count(&file, name, result);
    }
    Ok(())
}
