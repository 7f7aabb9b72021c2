//! Reads `qnt9.toml` into a [`Policy`]. Everything wrong with the file is found in one go, each
//! problem with its place; a file with a problem gives no policy at all.

mod checks;
mod problem;
mod section;
mod times;

#[cfg(test)]
mod tests;

use qnt9_model::EnvironmentName;
use qnt9_model::policy::{
    ApprovalRule, EnvironmentPolicy, EvidenceRule, Exclude, Policy, RolloutRule, Service, Trigger,
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
const CANARY_STEPS: [u32; 4] = [5, 25, 50, 100];
const STEP_FOR_MS: i64 = 60 * 1000;
const MIN_REQUESTS: u32 = 50;

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
    root.allow_only(&["project", "service", "environment", "freeze"], &mut problems);
    let project = read_project(&root, &mut problems);
    let services = read_services(&root, &mut problems);
    let environments = read_environments(&root, &mut problems);
    let known: Vec<&str> = environments.iter().map(|policy| policy.name.as_str()).collect();
    let freezes = times::read_freezes(&root, &known, &mut problems);
    problems.into_result(Policy { project, services, environments, freezes, on_call: Vec::new() })
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
    section.allow_only(&["command", "health", "health_timeout", "replicas"], problems);
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
        smoke: Vec::new(),
    }
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
        if proves_itself(&name.value, &environments) {
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
    const KEYS: [&str; 10] = [
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
        evidence: read_evidence(section, environments, problems),
        rollout: read_rollout(section, problems),
        replicas: section.number("replicas", 1..=REPLICAS_MAX, problems),
        windows: times::read_windows(section, problems),
        checks: checks::read_checks(section, problems),
        expire_after_ms: read_expiry(section, problems),
        watch: None,
        notify: None,
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

fn read_evidence(
    environment: &Section<'_>,
    environments: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<EvidenceRule> {
    let rules = environment.texts("evidence", problems).unwrap_or_default();
    let read = |rule: Found<String>| {
        let (kind, place) = match rule.value.split_once('@') {
            Some((kind, place)) => (kind, Some(place)),
            None => (rule.value.as_str(), None),
        };
        if !is_name(kind) {
            let hint =
                "write a kind such as `tests`, or kind and environment such as `load-test@staging`";
            let message = format!("`{}` is not a kind of evidence", rule.value);
            problems.add(&rule.at, message, Some(hint.to_owned()));
        } else if let Some(place) = place.filter(|place| !environments.contains(place)) {
            let message = format!(
                "`{}` names the environment `{place}`, which is not in this file",
                rule.value
            );
            let hint = section::nearest(place, environments)
                .map(|near| format!("did you mean `{kind}@{near}`?"))
                .unwrap_or_else(|| format!("there is: {}", environments.join(", ")));
            problems.add(&rule.at, message, Some(hint));
        }
        EvidenceRule {
            kind: kind.to_owned(),
            environment: place.map(EnvironmentName::from),
            max_age_ms: None,
        }
    };
    rules.into_iter().map(read).collect()
}

/// Whether the evidence that `environment` asks for comes, over any number of environments, from
/// `environment` itself.
fn proves_itself(environment: &str, all: &[EnvironmentPolicy]) -> bool {
    let mut reached = sources(environment, all);
    let mut next = 0;
    while let Some(&name) = reached.get(next) {
        let new = sources(name, all).into_iter().filter(|source| !reached.contains(source));
        reached.extend(new.collect::<Vec<_>>());
        next += 1;
    }
    reached.contains(&environment)
}

/// The environments that the evidence of one environment comes from.
fn sources<'a>(environment: &str, all: &'a [EnvironmentPolicy]) -> Vec<&'a str> {
    let rules = all.iter().filter(|policy| policy.name.0 == environment).flat_map(|p| &p.evidence);
    rules.filter_map(|rule| rule.environment.as_ref()).map(EnvironmentName::as_str).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Canary,
    AllAtOnce,
}

fn read_rollout(environment: &Section<'_>, problems: &mut Problems<'_>) -> RolloutRule {
    const STRATEGY: Choices<'_, Strategy> =
        &[("canary", Strategy::Canary), ("all-at-once", Strategy::AllAtOnce)];
    let Some(section) = environment.section("rollout", problems) else {
        return RolloutRule::at_once();
    };
    section.allow_only(&["strategy", "steps", "step_for", "min_requests"], problems);
    section.require("strategy", problems);
    let strategy = section.choice("strategy", STRATEGY, problems);
    if strategy == Some(Strategy::AllAtOnce) {
        for key in ["steps", "step_for", "min_requests"].into_iter().filter(|key| section.has(key))
        {
            let message = format!("`{key}` has no meaning when all traffic moves at once");
            let hint = format!("remove `{key}`, or write `strategy = \"canary\"`");
            problems.add(&section.place_of(key), message, Some(hint));
        }
        return RolloutRule::at_once();
    }
    RolloutRule {
        steps: read_steps(&section, problems),
        step_for_ms: section.duration("step_for", problems).unwrap_or(STEP_FOR_MS),
        min_requests: section
            .number("min_requests", 1..=u32::MAX, problems)
            .unwrap_or(MIN_REQUESTS)
            .into(),
        strategy: qnt9_model::policy::Strategy::ByShare,
    }
}

fn read_steps(section: &Section<'_>, problems: &mut Problems<'_>) -> Vec<u32> {
    let Some(steps) = section.numbers("steps", 1..=100, problems) else {
        return CANARY_STEPS.to_vec();
    };
    for pair in steps.windows(2).filter(|pair| pair[0].value >= pair[1].value) {
        let message = format!("the step {} does not rise above {}", pair[1].value, pair[0].value);
        let hint = "each step is a larger percentage of the traffic than the one before it";
        problems.add(&pair[1].at, message, Some(hint.to_owned()));
    }
    let steps_end = steps.last().map(|step| (step.value, step.at.clone()));
    if steps_end.as_ref().is_none_or(|(last, _)| *last != 100) {
        let at = steps_end.map_or_else(|| section.place_of("steps"), |(_, at)| at);
        let hint = "end with 100, so that the new release gets all traffic".to_owned();
        problems.add(&at, "the last step is not 100", Some(hint));
    }
    steps.into_iter().map(|step| step.value).collect()
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
