//! Workflow commands in scripts that GitHub took back.

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;

pub(super) const SWITCHED_OFF: Code = Code {
    id: "QX2003",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a workflow command that was switched off",
    explanation: "`set-env` and `add-path` were switched off in 2020, because whatever a program printed could change the environment \
                  of later steps. The step fails, or the value is never set.",
    example: "- run: echo \"::set-env name=TAG::$GITHUB_SHA\"",
    fix: "- run: echo \"TAG=$GITHUB_SHA\" >> \"$GITHUB_ENV\"",
};

pub(super) const DEPRECATED: Code = Code {
    id: "QX2004",
    area: Area::Workflow,
    severity: Severity::Warning,
    title: "a workflow command that is to be removed",
    explanation: "`set-output` and `save-state` are deprecated since 2022. Runners warn in every run, and when they go, the output is \
                  quietly empty: later jobs deploy nothing, or the wrong thing.",
    example: "- id: v\n  run: echo \"::set-output name=version::1.2\"",
    fix: "- id: v\n  run: echo \"version=1.2\" >> \"$GITHUB_OUTPUT\"",
};

/// Command, the file that took its place, and its code.
const COMMANDS: &[(&str, &str, &Code)] = &[
    ("::set-env ", "GITHUB_ENV", &SWITCHED_OFF),
    ("::add-path::", "GITHUB_PATH", &SWITCHED_OFF),
    ("::set-output ", "GITHUB_OUTPUT", &DEPRECATED),
    ("::save-state ", "GITHUB_STATE", &DEPRECATED),
];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for (_, script) in flow.scripts() {
            for (line, text) in script.lines() {
                if text.trim_start().starts_with('#') {
                    continue;
                }
                for (command, file, code) in COMMANDS {
                    if !text.contains(command) {
                        continue;
                    }
                    let name = command.trim_matches([':', ' ']);
                    let what = match code.severity {
                        Severity::Error => "was switched off by GitHub",
                        Severity::Warning => "is deprecated and will be removed",
                    };
                    let hint = match *file {
                        "GITHUB_PATH" => {
                            "write the folder to the file instead: echo FOLDER >> \"$GITHUB_PATH\""
                                .to_owned()
                        }
                        file => format!(
                            "write it to the file instead: echo \"NAME=VALUE\" >> \"${file}\""
                        ),
                    };
                    let message = format!("the workflow command `{name}` {what}");
                    findings.add(code, &flow.file, Place::line(line), message, hint);
                }
            }
        }
    }
}
