//! `checks`: services that are asked whether a job may go on.

use qnt9_model::limits::CHECK_TIMEOUT_MS;
use qnt9_model::policy::CheckRule;

use super::check_name;
use super::problem::Problems;
use super::section::Section;

pub(super) fn read_checks(
    environment: &Section<'_>,
    problems: &mut Problems<'_>,
) -> Vec<CheckRule> {
    let mut checks: Vec<CheckRule> = Vec::new();
    for section in environment.tables("checks", problems) {
        let Some(check) = read_check(&section, problems) else { continue };
        if checks.iter().any(|known| known.name == check.name) {
            let message = format!("there is another check `{}`", check.name);
            problems.add(&section.place_of("name"), message, None);
        }
        checks.push(check);
    }
    checks
}

fn read_check(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<CheckRule> {
    section.allow_only(&["name", "url", "timeout", "secret"], problems);
    let name = section.required_text("name", problems);
    if let Some(name) = &name {
        check_name("check", name, problems);
    }
    let url = section.required_text("url", problems);
    let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    if let Some(url) = url.as_ref().filter(|url| !is_http(&url.value)) {
        let hint = "write the whole address, such as https://tickets.example.com/qnt9";
        let message = format!("`{}` is no http address", url.value);
        problems.add(&url.at, message, Some(hint.to_owned()));
    }
    let timeout_ms = section.duration("timeout", problems).unwrap_or(CHECK_TIMEOUT_MS);
    if timeout_ms == 0 {
        let at = section.place_of("timeout");
        problems.add(&at, "the check fails before it can answer", None);
    }
    let secret = section.text("secret", problems).map(|secret| secret.value);
    Some(CheckRule { name: name?.value, url: url?.value, timeout_ms, secret })
}
