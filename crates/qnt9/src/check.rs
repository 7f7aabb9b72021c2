//! `qnt9 check KIND`: checks of the source tree. None of their engines is in this version. Each command
//! says so, and what is done in its place, and nothing is ever recorded for it.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Check, CheckKind, Common};
use crate::failure::Failure;
use crate::steps;
use crate::talk;

/// What a check would do, and what stands in for it until it is there.
struct Missing {
    word: &'static str,
    title: &'static str,
    instead: &'static str,
}

/// Carries out a check, or says whether it could be.
pub fn run(common: &Common, check: &Check) -> Result<ExitCode, Failure> {
    let kind = match check {
        Check::Available { kind } => return available(common, *kind),
        Check::StaticAnalysis => CheckKind::StaticAnalysis,
        Check::Dependencies => CheckKind::Dependencies,
        Check::Coverage => CheckKind::Coverage,
        Check::Infrastructure => CheckKind::Infrastructure,
        Check::Image => CheckKind::Image,
    };
    let Missing { word, title, instead } = missing(kind);
    let failure =
        Failure::lacks(format!("{title} is not there yet: this version has no engine for it"));
    Err(failure.detail(format!("instead: {instead}")).hint(format!(
        "in a workflow, ask first: `qnt9 check available {word}` sets the output `available`"
    )))
}

/// A step that asks succeeds whatever the answer: the check itself is then skipped, and shown so.
fn available(common: &Common, kind: CheckKind) -> Result<ExitCode, Failure> {
    let Missing { word, title, instead } = missing(kind);
    steps::output("available", "false")?;
    if common.json {
        talk::json(&json!({ "check": word, "available": false, "instead": instead }));
    } else if steps::is_inside() {
        talk::line(&format!(
            "::notice title={title}::not there yet, so it is skipped; instead: {instead}"
        ));
    } else {
        talk::line(&format!("{title} is not there yet; instead: {instead}"));
    }
    Ok(ExitCode::SUCCESS)
}

const fn missing(kind: CheckKind) -> Missing {
    match kind {
        CheckKind::StaticAnalysis => Missing {
            word: "static-analysis",
            title: "static analysis",
            instead: "the compiler's and clippy's lints, as errors, in the same workflow",
        },
        CheckKind::Dependencies => Missing {
            word: "dependencies",
            title: "software composition analysis",
            instead: "the lock file is held to (--locked), and the packages in it are listed",
        },
        CheckKind::Coverage => Missing {
            word: "coverage",
            title: "coverage",
            instead: "the unit tests run, without a figure and without a threshold",
        },
        CheckKind::Infrastructure => Missing {
            word: "infrastructure",
            title: "the scan of Terraform configuration",
            instead: "terraform's own format, validation and the variables' conditions",
        },
        CheckKind::Image => Missing {
            word: "image",
            title: "the scan of images",
            instead: "releases hold the program alone, without an operating system",
        },
    }
}
