//! Reads `qnt9.toml` into a [`Policy`]. Everything wrong with the file is found in one go, each
//! problem with its place; a file with a problem gives no policy at all.

mod checks;
mod evidence;
mod problem;
mod rollout;
mod section;
mod times;

#[cfg(test)]
mod tests;

use qnt9_model::EnvironmentName;
use qnt9_model::policy::{
    ApprovalRule, EnvironmentPolicy, Exclude, Policy, Service, Shift, Trigger,
};
use toml_edit::Document;

pub use problem::PolicyProblem;
use problem::Problems;
use section::{Choices, Found, Section};

/// Where replicas are asked for their health unless the file says otherwise.
const HEALTH: &str = "/health";
const HEALTH_TIMEOUT_MS: i64 = 30 * 1000;
const REPLICAS: u32 = 1;
const REPLICAS_MAX: u32 = 100;
/// As long as GitHub waits for a review.
const EXPIRE_AFTER_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Reads the text of `qnt9.toml`; `file` is the name by which problems call it.
///
/// # Errors
/// All problems of the file in the order of their places, never an empty list.
pub fn read(file: &str, text: &str) -> Result<Policy, Vec<PolicyProblem>> {
    let mut problems = Problems::new(file, text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().unwrap_or(text.len()..text.len());
            problems.add(&at, format!("this is not TOML: {}", error.message()), None);
            return Err(problems.into_list());
        }
    };
    let root = Section::root(document.as_table());
    root.allow_only(&["project", "service", "environment", "freeze", "on_call"], &mut problems);
    let project = read_project(&root, &mut problems);
    let services = read_services(&root, &mut problems);
    let environments = read_environments(&root, &mut problems);
    let known: Vec<&str> = environments.iter().map(|policy| policy.name.as_str()).collect();
    let freezes = times::read_freezes(&root, &known, &mut problems);
    let on_call = read_on_call(&root, &mut problems);
    problems.into_result(Policy { project, services, environments, freezes, on_call })
}

fn read_project(root: &Section<'_>, problems: &mut Problems<'_>) -> String {
    let Some(project) = root.required_section("project", problems) else { return String::new() };
    project.allow_only(&["name"], problems);
    let Some(name) = project.required_text("name", problems) else { return String::new() };
    check_name("project", &name, problems);
    if name.value == qnt9_model::StreamId::PLATFORM {
        let message = format!("a project cannot be called `{}`", name.value);
        problems.add(&name.at, message, Some("that name belongs to qnt9 itself".to_owned()));
    }
    name.value
}

fn read_services(root: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Service> {
    let services = root.sections("service", problems);
    services.iter().map(|(name, section)| read_service(name, section, problems)).collect()
}

fn read_service(
    name: &Found<String>,
    section: &Section<'_>,
    problems: &mut Problems<'_>,
) -> Service {
    section.allow_only(&["command", "health", "health_timeout", "replicas", "smoke"], problems);
    check_name("service", name, problems);
    let command = section.required_texts("command", problems);
    if let Some(command) = &command {
        check_command(section, command, problems);
    }
    let health = section.text("health", problems);
    if let Some(health) = health.as_ref().filter(|health| !health.value.starts_with('/')) {
        let hint = format!("write `/{}`", health.value);
        problems.add(&health.at, "`health` is a path, which begins with `/`", Some(hint));
    }
    let health_line = health.as_ref().map_or(section.at.start, |health| health.at.start);
    Service {
        name: name.value.clone(),
        command: command.unwrap_or_default().into_iter().map(|part| part.value).collect(),
        health: health.map_or_else(|| HEALTH.to_owned(), |health| health.value),
        health_timeout_ms: section
            .duration("health_timeout", problems)
            .unwrap_or(HEALTH_TIMEOUT_MS),
        replicas: section.number("replicas", 1..=REPLICAS_MAX, problems).unwrap_or(REPLICAS),
        health_line: problems.line_of(health_line),
        smoke: rollout::read_smoke(section, problems),
    }
}

/// `[[on_call]]`: who, and when; always, where no windows are given.
fn read_on_call(root: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Shift> {
    let sections = root.tables("on_call", problems);
    let read = |section: Section<'_>| {
        section.allow_only(&["who", "windows"], problems);
        let who = section.required_text("who", problems);
        let windows = times::read_windows(&section, problems);
        Some(Shift { who: who?.value, windows })
    };
    sections.into_iter().filter_map(read).collect()
}

/// The program is started from the unpacked release, so its path must stay inside.
fn check_command(section: &Section<'_>, command: &[Found<String>], problems: &mut Problems<'_>) {
    let Some(program) = command.first() else {
        let hint = "write the program and its arguments: `command = [\"bin/stock\", \"serve\"]`";
        problems.add(&section.place_of("command"), "`command` is empty", Some(hint.to_owned()));
        return;
    };
    let leaves =
        program.value.starts_with('/') || program.value.split('/').any(|part| part == "..");
    if leaves || program.value.is_empty() {
        let message = format!("the program `{}` is not a path inside the release", program.value);
        let hint = "give its path from the top of the release, such as `bin/stock`";
        problems.add(&program.at, message, Some(hint.to_owned()));
    }
}

fn read_environments(root: &Section<'_>, problems: &mut Problems<'_>) -> Vec<EnvironmentPolicy> {
    let sections = root.sections("environment", problems);
    let known: Vec<&str> = sections.iter().map(|(name, _)| name.value.as_str()).collect();
    let environments: Vec<_> = sections
        .iter()
        .map(|(name, section)| read_environment(name, section, &known, problems))
        .collect();
    for (name, section) in &sections {
        if evidence::proves_itself(&name.value, &environments) {
            let message = format!(
                "nothing can ever reach {}: its evidence comes from itself, directly or through another environment",
                name.value
            );
            problems.add(&section.place_of("evidence"), message, None);
        }
    }
    environments
}

fn read_environment(
    name: &Found<String>,
    section: &Section<'_>,
    environments: &[&str],
    problems: &mut Problems<'_>,
) -> EnvironmentPolicy {
    const KEYS: [&str; 12] = [
        "branches",
        "trigger",
        "approvals",
        "wait",
        "windows",
        "evidence",
        "checks",
        "expire_after",
        "rollout",
        "replicas",
        "watch",
        "notify",
    ];
    section.allow_only(&KEYS, problems);
    check_name("environment", name, problems);
    let branches = section.texts("branches", problems).unwrap_or_default();
    EnvironmentPolicy {
        name: EnvironmentName(name.value.clone()),
        branches: branches.into_iter().map(|branch| branch.value).collect(),
        trigger: section
            .choice("trigger", &[("any", Trigger::Any), ("manual", Trigger::Manual)], problems)
            .unwrap_or(Trigger::Any),
        approvals: read_approvals(section, problems),
        wait_ms: section.duration("wait", problems).unwrap_or(0),
        evidence: evidence::read_evidence(section, environments, problems),
        rollout: rollout::read_rollout(section, problems),
        replicas: section.number("replicas", 1..=REPLICAS_MAX, problems),
        windows: times::read_windows(section, problems),
        checks: checks::read_checks(section, problems),
        expire_after_ms: read_expiry(section, problems),
        watch: rollout::read_watch(section, problems),
        notify: section.text("notify", problems).map(|secret| secret.value),
    }
}

fn read_approvals(environment: &Section<'_>, problems: &mut Problems<'_>) -> Option<ApprovalRule> {
    const EXCLUDE: Choices<'_, Exclude> = &[
        ("dispatcher", Exclude::Dispatcher),
        ("authors", Exclude::Authors),
        ("nobody", Exclude::Nobody),
    ];
    let section = environment.section("approvals", problems)?;
    section.allow_only(&["needed", "from", "exclude", "expire_after"], problems);
    let needed = section.required_number("needed", 1..=u32::MAX, problems);
    let from = section.required_texts("from", problems);
    if let Some(from) = &from {
        check_approvers(&section, needed, from, problems);
    }
    let exclude = section.choice("exclude", EXCLUDE, problems).unwrap_or(Exclude::Dispatcher);
    let expire_after_ms = section.duration("expire_after", problems).unwrap_or(EXPIRE_AFTER_MS);
    if expire_after_ms == 0 {
        let at = section.place_of("expire_after");
        problems.add(&at, "nobody can approve: approvals expire at once", None);
    }
    let from = from.unwrap_or_default().into_iter().map(|person| person.value).collect();
    Some(ApprovalRule { needed: needed.unwrap_or(1), from, exclude, expire_after_ms })
}

fn read_expiry(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<i64> {
    let expire_after_ms = section.duration("expire_after", problems)?;
    if expire_after_ms == 0 {
        let at = section.place_of("expire_after");
        problems.add(&at, "nothing can be deployed: jobs fail as soon as they wait", None);
    }
    Some(expire_after_ms)
}

/// A rule that nobody can satisfy is said here, not discovered by waiting.
fn check_approvers(
    section: &Section<'_>,
    needed: Option<u32>,
    from: &[Found<String>],
    problems: &mut Problems<'_>,
) {
    let mut people: Vec<&str> = Vec::new();
    for person in from {
        if people.contains(&person.value.as_str()) {
            let message = format!("{} is listed twice and still counts once", person.value);
            problems.add(&person.at, message, None);
        } else {
            people.push(&person.value);
        }
    }
    let listed = people.len();
    if let Some(needed) = needed.filter(|&needed| needed as usize > listed) {
        let message =
            format!("nobody can satisfy this: {needed} must approve, and `from` lists {listed}");
        let hint = "lower `needed`, or add people to `from`".to_owned();
        problems.add(&section.place_of("needed"), message, Some(hint));
    }
}

/// Names become parts of addresses and files, so they are kept to what is safe in both.
fn check_name(what: &str, name: &Found<String>, problems: &mut Problems<'_>) {
    if !is_name(&name.value) {
        let message = format!("`{}` cannot be the name of a {what}", name.value)
            .replace("a environment", "an environment");
        let hint = format!(
            "use letters, digits, `-` and `_`, beginning with a letter or digit, at most {NAME_BYTES_MAX}"
        );
        problems.add(&name.at, message, Some(hint));
    }
}

const NAME_BYTES_MAX: usize = 64;

fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
