//! Environments, services and evidence: what `qnt9.toml` says and what workflows say.

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::flow::Flow;
use crate::reading::Reading;
use crate::rules::{FILE, Rules};
use crate::yaml::Node;

pub(super) const NO_ENVIRONMENT: Code = Code {
    id: "QX6005",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "an environment that qnt9.toml does not have",
    explanation: "A job for an environment without rules stands before no gate at all: no approval, no evidence, no window; and its secrets are \
                  those of another name, that is, none.",
    example: "environment: prod                   # qnt9.toml has [environment.production]",
    fix: "environment: production",
};

pub(super) const TWO_NAMES: Code = Code {
    id: "QX6006",
    area: Area::Agreement,
    severity: Severity::Warning,
    title: "two names for what seems to be one environment",
    explanation: "Each name has gates and secrets of its own. What is set for one is not there for the other.",
    example: "# deploy.yml: environment: production        # rollback.yml: environment: prd",
    fix: "Use one name everywhere.",
};

pub(super) const NO_SERVICE: Code = Code {
    id: "QX6007",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "a release of a service that qnt9.toml does not have",
    explanation: "Nothing says how the release is started: the deployment is refused.",
    example: "qnt9 release build --service stocks ..      # qnt9.toml has [service.stock]",
    fix: "qnt9 release build --service stock ..",
};

pub(super) const NOT_IN_RELEASE: Code = Code {
    id: "QX6008",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "a program that is not in the release",
    explanation: "The service's command names a path inside the release that no `--file` puts there: no replica can be started.",
    example: "command = [\"bin/stock\"]      # --file target/release/stock=stock",
    fix: "--file target/release/stock=bin/stock",
};

pub(super) const NEVER_RECORDED: Code = Code {
    id: "QX6009",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "evidence that nothing records",
    explanation: "The environment waits for evidence that no workflow ever records, so that nothing can ever be deployed there.",
    example: "evidence = [\"security-scan\"]       # no step says: qnt9 evidence record security-scan",
    fix: "- run: qnt9 evidence record security-scan --result success",
};

pub(super) const NEVER_STARTS: Code = Code {
    id: "QX6010",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "an environment that no run can reach",
    explanation: "The workflow that deploys there starts on other branches than the environment takes, or by itself where only a person may start \
                  it: every run is held for ever, or fails at its gate.",
    example: "[environment.production]\nbranches = [\"release\"]               # deploy.yml starts on pushes to main",
    fix: "branches = [\"main\"]",
};

/// Environments that people call by several names.
const ALIASES: &[&[&str]] = &[
    &["development", "dev", "develop"],
    &["staging", "stage", "stg"],
    &["production", "prod", "prd", "live"],
];

fn alias(name: &str) -> Option<&'static [&'static str]> {
    let lower = name.to_ascii_lowercase();
    ALIASES.iter().copied().find(|names| names.contains(&lower.as_str()))
}

/// The environments that a workflow names plainly, with their places.
fn named(flow: &Flow) -> Vec<(&str, Place)> {
    let of_jobs = flow.jobs().filter_map(|job| job.environment());
    let mut found: Vec<(&str, Place)> =
        of_jobs.filter_map(|node| Some((node.text()?, node.place))).collect();
    for (_, script) in flow.scripts() {
        for (line, text) in script.lines().into_iter().filter(|(_, text)| text.contains("qnt9 ")) {
            for part in text.split("--environment").skip(1) {
                let name = part
                    .trim_start_matches(['=', ' '])
                    .split_whitespace()
                    .next()
                    .unwrap_or_default();
                found.push((name, Place::line(line)));
            }
        }
    }
    found.retain(|(name, _)| !name.is_empty() && !name.contains(['$', '"', '\'', '{']));
    found
}

pub(super) fn environments(reading: &Reading<'_>, findings: &mut Findings) {
    let Some(rules) = reading.rules.as_ref().filter(|rules| !rules.environments.is_empty()) else {
        return;
    };
    let known = rules.environment_names();
    for flow in &reading.flows {
        for (name, place) in named(flow) {
            if known.contains(&name) {
                continue;
            }
            let same = alias(name).and_then(|names| known.iter().find(|one| names.contains(one)));
            let hint = match same {
                Some(one) => format!("write `{one}`, as in qnt9.toml"),
                None => format!(
                    "there is: {}; or add [environment.{name}] to qnt9.toml",
                    known.join(", ")
                ),
            };
            let message =
                format!("qnt9.toml has no environment `{name}`: its jobs stand before no gate");
            findings.add(&NO_ENVIRONMENT, &flow.file, place, message, hint);
        }
    }
}

pub(super) fn aliases(reading: &Reading<'_>, findings: &mut Findings) {
    // With rules, those decide which name is right.
    if reading.rules.as_ref().is_some_and(|rules| !rules.environments.is_empty()) {
        return;
    }
    let mut first: Vec<(&str, &str, Place)> = Vec::new();
    for flow in &reading.flows {
        for (name, place) in named(flow) {
            let other = first.iter().find(|(one, ..)| {
                *one != name && alias(name).is_some() && alias(one) == alias(name)
            });
            match other {
                Some((one, file, at)) => {
                    let message = format!(
                        "`{name}` here and `{one}` in {file}:{} seem to be one environment with two names",
                        at.line
                    );
                    findings.add(
                        &TWO_NAMES,
                        &flow.file,
                        place,
                        message,
                        format!("write `{one}`: gates and secrets go by the name"),
                    );
                }
                None if !first.iter().any(|(one, ..)| *one == name) => {
                    first.push((name, &flow.file, place));
                }
                None => {}
            }
        }
    }
}

pub(super) fn services(reading: &Reading<'_>, findings: &mut Findings) {
    let Some(rules) = &reading.rules else { return };
    for flow in &reading.flows {
        for (_, script) in flow.scripts() {
            let text =
                script.lines().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n");
            let text = text.replace("\\\n", " ");
            for (line, command) in builds(script, &text) {
                of_build(rules, flow, Place::line(line), &command, findings);
            }
        }
    }
}

/// Each `qnt9 release build` of a script, with its line, continued lines joined.
fn builds(script: &Node, joined: &str) -> Vec<(u32, String)> {
    let lines = script.lines();
    let starts =
        lines.iter().filter(|(_, text)| text.contains("qnt9 release build")).map(|(line, _)| *line);
    let commands =
        joined.lines().filter(|text| text.contains("qnt9 release build")).map(str::to_owned);
    starts.zip(commands).collect()
}

fn of_build(rules: &Rules, flow: &Flow, place: Place, command: &str, findings: &mut Findings) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |name: &str| {
        words.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1]).collect::<Vec<_>>()
    };
    // Several services may be of one release.
    let names = after("--service").into_iter().flat_map(|names| names.split(','));
    for name in names.filter(|name| !name.is_empty() && !name.contains('$')) {
        of_service(
            rules,
            flow,
            place,
            name,
            &after("--file"),
            !after("--folder").is_empty(),
            findings,
        );
    }
}

fn of_service(
    rules: &Rules,
    flow: &Flow,
    place: Place,
    name: &str,
    files: &[&str],
    has_folders: bool,
    findings: &mut Findings,
) {
    let known: Vec<&str> = rules.services.iter().map(|service| service.name.0.as_str()).collect();
    let Some(service) = rules.services.iter().find(|service| service.name.0 == name) else {
        let message =
            format!("qnt9.toml has no service `{name}`: nothing says how this release is started");
        findings.add(
            &NO_SERVICE,
            &flow.file,
            place,
            message,
            format!("there is: {}", known.join(", ")),
        );
        return;
    };
    let Some((program, at)) = service.command.first() else { return };
    let targets: Vec<&str> =
        files.iter().filter_map(|file| file.split_once('=')).map(|(_, path)| path).collect();
    let is_sure =
        !has_folders && program.contains('/') && files.iter().all(|file| !file.contains('$'));
    if is_sure && !targets.contains(&program.as_str()) {
        let message = format!(
            "the release of `{name}` holds {}, and not `{program}`, which qnt9.toml starts (line {})",
            targets.join(", "),
            at.line
        );
        let hint = format!("write `--file SOURCE={program}`, or mend `command` in qnt9.toml");
        findings.add(&NOT_IN_RELEASE, &flow.file, place, message, hint);
    }
}

pub(super) fn evidence(reading: &Reading<'_>, findings: &mut Findings) {
    let Some(rules) = &reading.rules else { return };
    let scripts: Vec<&str> = reading
        .flows
        .iter()
        .flat_map(|flow| flow.scripts().filter_map(|(_, script)| script.text()))
        .collect();
    for environment in &rules.environments {
        for (rule, place) in &environment.evidence {
            let kind = rule.split('@').next().unwrap_or(rule);
            let recorded_by: &[&str] = match kind {
                "load-test" => &["qnt9 load run"],
                "backup" => &["verify-backup"],
                "watched" | "watch" => continue,
                _ => &[],
            };
            let record = format!("evidence record {kind}");
            let is_recorded = scripts.iter().any(|script| {
                script.contains(&record)
                    || recorded_by.iter().any(|command| script.contains(command))
            });
            if !is_recorded {
                let message = format!(
                    "{} waits for the evidence `{kind}`, which no workflow records",
                    environment.name.0
                );
                let hint = format!(
                    "add a step `qnt9 evidence record {kind} --result success` where it is proved, or take it out"
                );
                findings.add(&NEVER_RECORDED, FILE, *place, message, hint);
            }
        }
    }
}

pub(super) fn starts(reading: &Reading<'_>, findings: &mut Findings) {
    let Some(rules) = &reading.rules else { return };
    for environment in &rules.environments {
        let name = environment.name.0.as_str();
        let names_it = |flow: &&Flow| {
            flow.jobs().any(|job| job.environment().is_some_and(|node| node.text() == Some(name)))
        };
        let computed = reading.flows.iter().any(|flow| {
            flow.jobs().any(|job| {
                job.environment().and_then(Node::text).is_some_and(|text| text.contains("${{"))
            })
        });
        let flows: Vec<&Flow> = reading.flows.iter().filter(names_it).collect();
        // A name that is computed may be any.
        if flows.is_empty() || computed {
            continue;
        }
        if let Some(place) = environment.manual
            && !flows.iter().any(|flow| flow.events().contains(&"workflow_dispatch"))
        {
            let message = format!(
                "only a person may start a deployment to {name}, and nobody can dispatch {}",
                flows[0].file
            );
            findings.add(
                &NEVER_STARTS,
                FILE,
                place,
                message,
                format!(
                    "add `workflow_dispatch:` to `on:` of {}, or remove `trigger`",
                    flows[0].file
                ),
            );
            continue;
        }
        let pushed: Option<Vec<&str>> = flows
            .iter()
            .map(|flow| pushed_branches(flow))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat());
        let (Some(pushed), Some((first, place))) = (pushed, environment.branches.first()) else {
            continue;
        };
        let meets =
            environment.branches.iter().any(|(branch, _)| pushed.contains(&branch.as_str()));
        if !meets && !pushed.is_empty() {
            let message = format!(
                "{name} takes only {first}, and {} starts on pushes to {}",
                flows[0].file,
                pushed.join(", ")
            );
            findings.add(
                &NEVER_STARTS,
                FILE,
                *place,
                message,
                format!(
                    "write `branches = [\"{}\"]`, or let the workflow start on {first}",
                    pushed[0]
                ),
            );
        }
    }
}

/// The plain branches whose push alone starts a workflow; `None` when it may run for others.
fn pushed_branches(flow: &Flow) -> Option<Vec<&str>> {
    if flow.events() != ["push"] {
        return None;
    }
    let branches = flow.event("push")?.get("branches")?;
    let names: Vec<&str> = branches.texts().into_iter().filter_map(Node::text).collect();
    let is_plain = names.iter().all(|name| !name.contains(['*', '?', '!', '[', '+']));
    is_plain.then_some(names)
}
