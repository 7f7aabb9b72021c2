//! Dockerfiles: what fails when the image is built or started.

mod addresses;
mod packages;

use super::Check;
use super::kubernetes::moving_tag;
use super::versions::{Product, ended};
use crate::dockerfile::{Dockerfile, Instruction, asked};
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::{folder_of, join, name_of};

pub(super) const CHECKS: &[Check] = &[bases, copies, health, packages::managers, addresses::check];

pub(super) const CODES: &[Code] = &[
    MUTABLE_BASE,
    OLD_BASE,
    NO_SOURCE,
    NO_STAGE,
    NO_HEALTHCHECK,
    NO_TOOL,
    packages::OTHER_SYSTEM,
    addresses::LOOPBACK,
];

const MUTABLE_BASE: Code = Code {
    id: "QX5001",
    area: Area::Image,
    severity: Severity::Warning,
    title: "a base image by a tag that moves",
    explanation: "`latest`, or no tag, is whatever was published last: the same commit builds another image tomorrow, and a new major version \
                  breaks a build in which nobody changed anything.",
    example: "FROM python:latest",
    fix: "FROM python:3.13-slim-bookworm",
};

const OLD_BASE: Code = Code {
    id: "QX5002",
    area: Area::Image,
    severity: Severity::Warning,
    title: "a base image that is no longer maintained",
    explanation: "The version has come to its end: holes that are found in it stay open.",
    example: "FROM node:16",
    fix: "FROM node:24",
};

const NO_SOURCE: Code = Code {
    id: "QX5003",
    area: Area::Image,
    severity: Severity::Error,
    title: "a file to copy that is not there",
    explanation: "The build context does not have the file, or .dockerignore keeps it out: the build fails with `not found`.",
    example: "COPY requirements.txt .        # the file is in services/stock/",
    fix: "COPY services/stock/requirements.txt .",
};

const NO_STAGE: Code = Code {
    id: "QX5004",
    area: Area::Image,
    severity: Severity::Error,
    title: "a copy from a stage there is not",
    explanation: "No stage before has that name, so the builder looks for an image of that name in the registry, and finds none or a stranger's.",
    example: "FROM rust:1.90 AS build\n..\nCOPY --from=builder /app /app",
    fix: "COPY --from=build /app /app",
};

const NO_HEALTHCHECK: Code = Code {
    id: "QX5005",
    area: Area::Image,
    severity: Severity::Warning,
    title: "nothing says whether the service is well",
    explanation: "The image has no HEALTHCHECK, and no probe and no qnt9.toml says what to ask. Whoever replaces the old container by the new one \
                  cannot know when the new one answers: users see errors while it starts, and for ever when it does not.",
    example: "FROM python:3.13-slim\nEXPOSE 8000\nCMD [\"python\", \"app.py\"]",
    fix: "HEALTHCHECK CMD [\"python\", \"-c\", \"import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')\"]",
};

const NO_TOOL: Code = Code {
    id: "QX5006",
    area: Area::Image,
    severity: Severity::Error,
    title: "a health check by a program the image does not have",
    explanation: "Slim and distroless images have neither curl nor wget. The check fails every time, so that a container that works counts as \
                  unhealthy and is restarted, or never gets traffic.",
    example: "FROM python:3.13-slim\nHEALTHCHECK CMD curl -f http://localhost:8000/health",
    fix: "RUN apt-get update && apt-get install -y --no-install-recommends curl\n# or ask with what is there: python, node, the program itself",
};

fn bases(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, file) in &reading.images {
        let stages = file.stage_names();
        for from in file.named("FROM") {
            let Some(image) = from.words().first().copied() else { continue };
            if stages.iter().any(|(at, name)| *at < from.stage && name == image) {
                continue;
            }
            let place = Place::line(from.line);
            if let Some(tag) = moving_tag(image) {
                let shown = if tag.is_empty() {
                    "no tag, which means `latest`"
                } else {
                    "a tag that moves"
                };
                let message = format!(
                    "the base image {image} has {shown}: the same commit builds another image tomorrow"
                );
                findings.add(
                    &MUTABLE_BASE,
                    path,
                    place,
                    message,
                    "name a version, best with its digest",
                );
                continue;
            }
            let (name, tag) = name_of(image).split_once(':').unwrap_or((image, ""));
            let product = match name {
                "node" => Product::Node,
                "python" => Product::Python,
                "postgres" => Product::PostgreSql,
                "debian" => Product::Debian,
                _ => continue,
            };
            if let Some(end) = ended(product, tag, reading.today) {
                let message = format!("{image} has not been maintained since {end}");
                findings.add(&OLD_BASE, path, place, message, format!("take {}", end.instead));
            }
        }
    }
}

fn copies(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, file) in &reading.images {
        let stages = file.stage_names();
        let contexts = contexts(reading, path);
        for copy in
            file.instructions.iter().filter(|one| matches!(one.name.as_str(), "COPY" | "ADD"))
        {
            let place = Place::line(copy.line);
            match copy.option("from") {
                Some(from) => no_stage(path, place, copy, from, &stages, findings),
                None => no_source(reading, path, place, copy, &contexts, findings),
            }
        }
    }
}

/// The folders that an image may be built in: its own, the top, and those that workflows and compose
/// files name.
fn contexts(reading: &Reading<'_>, path: &str) -> Vec<String> {
    let mut contexts = vec![folder_of(path).to_owned(), String::new()];
    // Any folder above may be the context as well.
    let mut folder = folder_of(path);
    while !folder.is_empty() {
        folder = folder_of(folder);
        contexts.push(folder.to_owned());
    }
    for (_, step, uses) in reading.flows.iter().flat_map(|flow| flow.uses()) {
        if uses.text().is_some_and(|text| text.starts_with("docker/build-push-action")) {
            contexts
                .extend(step.text_at(&["with", "context"]).and_then(|context| join("", context)));
        }
    }
    contexts.sort();
    contexts.dedup();
    contexts
}

fn no_stage(
    path: &str,
    place: Place,
    copy: &Instruction,
    from: &str,
    stages: &[(usize, String)],
    findings: &mut Findings,
) {
    let is_stage =
        stages.iter().any(|(at, name)| *at < copy.stage && name.eq_ignore_ascii_case(from));
    let is_number = from.parse::<usize>().is_ok_and(|number| number < copy.stage);
    // An image has a registry, a folder or a tag.
    if is_stage || is_number || from.contains(['/', ':', '$']) {
        return;
    }
    let names: Vec<&str> =
        stages.iter().filter(|(at, _)| *at < copy.stage).map(|(_, name)| name.as_str()).collect();
    let message = format!("no stage before this one is called `{from}`");
    let hint = if names.is_empty() {
        "name the stage: FROM .. AS NAME".to_owned()
    } else {
        format!("there is: {}", names.join(", "))
    };
    findings.add(&NO_STAGE, path, place, message, hint);
}

fn no_source(
    reading: &Reading<'_>,
    path: &str,
    place: Place,
    copy: &Instruction,
    contexts: &[String],
    findings: &mut Findings,
) {
    let words: Vec<String> =
        copy.exec().unwrap_or_else(|| copy.words().into_iter().map(str::to_owned).collect());
    let Some((_, sources)) = words.split_last() else { return };
    for source in
        sources.iter().filter(|source| !source.starts_with("<<") && !source.contains("://"))
    {
        if source.contains(['*', '?', '[', '$']) {
            continue;
        }
        let places: Vec<String> = contexts
            .iter()
            .filter_map(|context| join(context, source.trim_start_matches('/')))
            .collect();
        let there = places.iter().find(|place| {
            reading.repository.has_file(place) || reading.repository.has_folder(place)
        });
        let Some(there) = there else {
            if is_built(reading, source) {
                continue;
            }
            let message = format!("`{source}` is not in the repository: the build fails");
            let like = reading
                .repository
                .paths()
                .find(|known| name_of(known) == name_of(source.trim_end_matches('/')));
            let hint = match like {
                Some(known) => {
                    format!("did you mean `{known}`? Sources are named from the build context")
                }
                None if source.starts_with("../") => {
                    "nothing above the build context can be copied: build in the folder above, and name it from there"
                        .to_owned()
                }
                None => "name a file of the build context".to_owned(),
            };
            findings.add(&NO_SOURCE, path, place, message, hint);
            continue;
        };
        for context in contexts {
            let Some(ignore) = join(context, ".dockerignore") else { continue };
            let Some(text) = reading.repository.text(&ignore) else { continue };
            let below =
                there.strip_prefix(context.as_str()).unwrap_or(there).trim_start_matches('/');
            if let Some(line) = ignored_by(text, below) {
                let message = format!("`{source}` is kept out by {ignore}:{line}: the build fails");
                findings.add(
                    &NO_SOURCE,
                    path,
                    place,
                    message,
                    format!("remove the line {line} of {ignore}, or add `!{below}` after it"),
                );
            }
        }
    }
}

/// Whether a script of a workflow seems to make it before the build.
fn is_built(reading: &Reading<'_>, source: &str) -> bool {
    let name = name_of(source.trim_end_matches('/'));
    let usual = ["dist", "build", "target", "out", "bin", "publish"];
    let top = source.trim_start_matches("./").split('/').next().unwrap_or_default();
    usual.contains(&top)
        || reading.flows.iter().any(|flow| {
            flow.scripts().any(|(_, script)| script.text().is_some_and(|text| text.contains(name)))
        })
}

/// The line of a .dockerignore that keeps a path out.
fn ignored_by(text: &str, path: &str) -> Option<usize> {
    let mut by = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let (pattern, takes_back) = match line.strip_prefix('!') {
            Some(pattern) => (pattern, true),
            None => (line, false),
        };
        let pattern = pattern.trim_start_matches("./").trim_matches('/');
        let is_it = !pattern.is_empty()
            && !pattern.starts_with('#')
            && (path == pattern
                || path.starts_with(&format!("{pattern}/"))
                || pattern == "*"
                || pattern == "**");
        // Something within a folder that is kept out may be taken back.
        let within = takes_back && pattern.starts_with(&format!("{path}/"));
        if is_it || within {
            by = (!takes_back).then_some(at + 1);
        }
    }
    by
}

fn health(reading: &Reading<'_>, findings: &mut Findings) {
    let is_known_elsewhere = reading
        .rules
        .as_ref()
        .is_some_and(|rules| rules.services.iter().any(|one| one.health.is_some()))
        || reading
            .objects
            .iter()
            .flat_map(|object| object.containers())
            .any(|one| one.node.get("readinessProbe").is_some());
    for (path, file) in &reading.images {
        let check = file
            .last("HEALTHCHECK")
            .filter(|check| !check.args.trim().eq_ignore_ascii_case("none"));
        match check {
            Some(check) => no_tool(path, file, check, findings),
            None if !is_known_elsewhere => {
                if let Some((port, line)) = file.exposed().first() {
                    let message = format!(
                        "the image serves port {port} and has no HEALTHCHECK: nobody can tell when it answers"
                    );
                    let hint =
                        "add HEALTHCHECK, a readinessProbe, or `health` in qnt9.toml (`qnt9 init`)";
                    findings.add(&NO_HEALTHCHECK, path, Place::line(*line), message, hint);
                }
            }
            None => {}
        }
    }
}

fn no_tool(path: &str, file: &Dockerfile, check: &Instruction, findings: &mut Findings) {
    let Some(tool) = ["curl", "wget"].into_iter().find(|tool| {
        check.args.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == *tool)
    }) else {
        return;
    };
    if asked(&check.args).is_none() {
        return;
    }
    let stage = file.last_stage();
    let of_stage = |one: &&Instruction| one.stage == stage;
    let is_installed = file.named("RUN").filter(of_stage).any(|run| run.args.contains(tool))
        || file.named("COPY").filter(of_stage).any(|copy| copy.args.contains(tool));
    let from = file
        .named("FROM")
        .find(of_stage)
        .and_then(|from| from.words().first().map(|word| (*word).to_owned()));
    let Some(image) = from else { return };
    let is_stage = file.stage_names().iter().any(|(_, name)| *name == image);
    let lacks = match () {
        () if image.contains("distroless") || image == "scratch" => true,
        () if image.contains("alpine") => tool == "curl",
        () if image.contains("slim") => true,
        () => ["debian:", "ubuntu:"].iter().any(|name| image.starts_with(name)),
    };
    if lacks && !is_installed && !is_stage {
        let message = format!(
            "the health check calls {tool}, which {image} does not have: it fails every time"
        );
        let hint = match tool {
            "curl" if image.contains("alpine") => {
                "call wget, which it has, or `RUN apk add --no-cache curl`".to_owned()
            }
            tool => format!(
                "install {tool} in this stage, or ask with what the image has (python, node, the program itself)"
            ),
        };
        findings.add(&NO_TOOL, path, Place::line(check.line), message, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_dockerignore_decides() {
        assert_eq!(ignored_by("dist\nnode_modules\n", "dist"), Some(1));
        assert_eq!(ignored_by("dist\n", "dist/app.js"), Some(1));
        assert_eq!(ignored_by("*\n!src\n", "src/a"), None);
        assert_eq!(ignored_by("*\n!src\n", "package.json"), Some(1));
        assert_eq!(ignored_by("dist\n!dist/app.js\n", "dist"), None);
        assert_eq!(ignored_by("# dist\n", "dist"), None);
    }
}
