//! `evidence`: what must have been proved, and how fresh that must be.

use qnt9_model::EnvironmentName;
use qnt9_model::policy::{EnvironmentPolicy, EvidenceRule};

use super::is_name;
use super::problem::Problems;
use super::section::{Entry, Found, Section, nearest};

/// `evidence = ["tests", "load-test@staging", { name = "backup", max_age = "24h" }]`
pub(super) fn read_evidence(
    environment: &Section<'_>,
    environments: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<EvidenceRule> {
    let entries = environment.texts_or_tables("evidence", problems).unwrap_or_default();
    let read = |entry: Entry<'_>| match entry {
        Entry::Text(name) => Some(read_name(&name, environments, problems)),
        Entry::Table(section) => {
            section.allow_only(&["name", "max_age"], problems);
            let max_age_ms = section.duration("max_age", problems);
            if max_age_ms == Some(0) {
                let at = section.place_of("max_age");
                problems.add(&at, "evidence is too old as soon as it is recorded", None);
            }
            let name = section.required_text("name", problems)?;
            Some(EvidenceRule { max_age_ms, ..read_name(&name, environments, problems) })
        }
    };
    entries.into_iter().filter_map(read).collect()
}

fn read_name(
    rule: &Found<String>,
    environments: &[&str],
    problems: &mut Problems<'_>,
) -> EvidenceRule {
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
        let message =
            format!("`{}` names the environment `{place}`, which is not in this file", rule.value);
        let hint = nearest(place, environments)
            .map(|near| format!("did you mean `{kind}@{near}`?"))
            .unwrap_or_else(|| format!("there is: {}", environments.join(", ")));
        problems.add(&rule.at, message, Some(hint));
    }
    let environment = place.map(EnvironmentName::from);
    EvidenceRule { kind: kind.to_owned(), environment, max_age_ms: None }
}

/// Whether the evidence that `environment` asks for comes, over any number of environments, from
/// `environment` itself.
pub(super) fn proves_itself(environment: &str, all: &[EnvironmentPolicy]) -> bool {
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
