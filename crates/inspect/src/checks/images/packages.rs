//! Packages that a stage installs, beside the system that its base image is.

use crate::dockerfile::Dockerfile;
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;

pub(super) const OTHER_SYSTEM: Code = Code {
    id: "QX5007",
    area: Area::Image,
    severity: Severity::Error,
    title: "a package manager that the base image does not have",
    explanation: "Alpine has `apk`, Debian and Ubuntu have `apt-get`: the build fails with `apt-get: not found`.",
    example: "FROM node:24-alpine\nRUN apt-get update && apt-get install -y curl",
    fix: "FROM node:24-alpine\nRUN apk add --no-cache curl",
};

pub(super) fn managers(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, file) in &reading.images {
        for run in file.named("RUN") {
            let Some(image) = base(file, run.stage) else { continue };
            let debian = ["debian", "ubuntu", "-slim", "bookworm", "bullseye", "trixie"];
            let (has, lacks, hint) = match () {
                () if image.contains("alpine") => (
                    "apk",
                    &["apt-get", "apt", "yum", "dnf"][..],
                    "write `apk add --no-cache NAME`",
                ),
                () if debian.iter().any(|word| image.contains(word)) => (
                    "apt-get",
                    &["apk", "yum", "dnf"][..],
                    "write `apt-get update && apt-get install -y --no-install-recommends NAME`",
                ),
                () => continue,
            };
            let Some(called) = commands(&run.args).find(|name| lacks.contains(name)) else {
                continue;
            };
            // A script that asks which of the two there is knows what it does.
            if run.args.contains("command -v") || run.args.contains("which ") {
                continue;
            }
            let message = format!("{image} has no {called}, it has {has}: the build fails");
            findings.add(&OTHER_SYSTEM, path, Place::line(run.line), message, hint);
        }
    }
}

/// The image that a stage grew from, through the stages between.
fn base(file: &Dockerfile, stage: usize) -> Option<String> {
    let from = file.named("FROM").find(|from| from.stage == stage)?;
    let image = *from.words().first()?;
    let names = file.stage_names();
    match names.iter().find(|(at, name)| *at < stage && name.eq_ignore_ascii_case(image)) {
        Some((earlier, _)) => base(file, *earlier),
        None => Some(image.to_owned()),
    }
}

/// The first word of every command of a script.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    let parts = script.split(['&', '|', ';', '(']);
    parts.filter_map(|part| {
        let mut words = part.split_whitespace().skip_while(|word| {
            word.starts_with("--") || word.contains('=') || matches!(*word, "sudo" | "then" | "do")
        });
        words.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_a_script_is_seen() {
        let script =
            "--mount=type=cache,target=/x A=1 apt-get update && apt-get install apk; echo apk | sh";
        assert_eq!(commands(script).collect::<Vec<_>>(), ["apt-get", "apt-get", "echo", "sh"]);
    }
}
