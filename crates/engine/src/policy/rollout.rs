//! `rollout`, `smoke` and `watch`: how a new release takes the old one's place, and what it must show.

use qnt9_model::policy::{Promote, RolloutRule, SmokeTest, Strategy, WatchRule};

use super::problem::Problems;
use super::section::{Choices, Entry, Found, Section};

const CANARY_STEPS: [u32; 4] = [5, 25, 50, 100];
const STEP_FOR_MS: i64 = 60 * 1000;
const MIN_REQUESTS: u32 = 50;
const KEEP_MS: i64 = 10 * 60 * 1000;
const BAD_PER_MILLE: u32 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Canary,
    AllAtOnce,
    BlueGreen,
    Rolling,
}

impl Named {
    /// Its word, and the keys that mean something to it.
    const fn keys(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Canary => ("canary", &["steps", "step_for", "min_requests"]),
            Self::AllAtOnce => ("all-at-once", &[]),
            Self::BlueGreen => ("blue-green", &["promote", "keep"]),
            Self::Rolling => ("rolling", &["max_surge", "max_unavailable"]),
        }
    }

    const ALL: [Self; 4] = [Self::Canary, Self::AllAtOnce, Self::BlueGreen, Self::Rolling];
}

pub(super) fn read_rollout(environment: &Section<'_>, problems: &mut Problems<'_>) -> RolloutRule {
    const STRATEGY: Choices<'_, Named> = &[
        ("canary", Named::Canary),
        ("all-at-once", Named::AllAtOnce),
        ("blue-green", Named::BlueGreen),
        ("rolling", Named::Rolling),
    ];
    let Some(section) = environment.section("rollout", problems) else {
        return RolloutRule::at_once();
    };
    let keys = Named::ALL.iter().flat_map(|named| named.keys().1);
    let known: Vec<&str> = std::iter::once("strategy").chain(keys.copied()).collect();
    section.allow_only(&known, problems);
    section.require("strategy", problems);
    let named = section.choice("strategy", STRATEGY, problems);
    if let Some(named) = named {
        refuse_keys_of_others(&section, named, problems);
    }
    let at_once = RolloutRule::at_once();
    match named {
        Some(Named::AllAtOnce) => at_once,
        Some(Named::BlueGreen) => {
            RolloutRule { strategy: read_blue_green(&section, problems), ..at_once }
        }
        Some(Named::Rolling) => {
            RolloutRule { strategy: read_rolling(&section, problems), ..at_once }
        }
        Some(Named::Canary) | None => RolloutRule {
            steps: read_steps(&section, problems),
            step_for_ms: section.duration("step_for", problems).unwrap_or(STEP_FOR_MS),
            min_requests: read_min_requests(&section, problems),
            strategy: Strategy::ByShare,
        },
    }
}

fn refuse_keys_of_others(section: &Section<'_>, named: Named, problems: &mut Problems<'_>) {
    let (word, own) = named.keys();
    for other in Named::ALL {
        let (other, keys) = other.keys();
        for key in keys.iter().filter(|key| !own.contains(key) && section.has(key)) {
            let message = format!("`{key}` has no meaning for the strategy {word}");
            let hint = format!("remove `{key}`, or write `strategy = \"{other}\"`");
            problems.add(&section.place_of(key), message, Some(hint));
        }
    }
}

fn read_blue_green(section: &Section<'_>, problems: &mut Problems<'_>) -> Strategy {
    const PROMOTE: Choices<'_, Promote> = &[("auto", Promote::Auto), ("manual", Promote::Manual)];
    Strategy::BlueGreen {
        promote: section.choice("promote", PROMOTE, problems).unwrap_or(Promote::Auto),
        keep_ms: section.duration("keep", problems).unwrap_or(KEEP_MS),
    }
}

fn read_rolling(section: &Section<'_>, problems: &mut Problems<'_>) -> Strategy {
    Strategy::Rolling {
        // At least one more: a replica of the old release stays until all of the new one are well.
        max_surge: section.number("max_surge", 1..=100, problems).unwrap_or(1),
        max_unavailable: section.number("max_unavailable", 0..=100, problems).unwrap_or(0),
    }
}

fn read_min_requests(section: &Section<'_>, problems: &mut Problems<'_>) -> u64 {
    section.number("min_requests", 1..=u32::MAX, problems).unwrap_or(MIN_REQUESTS).into()
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

/// `smoke = ["/ready", { command = ["bin/smoke"] }]`
pub(super) fn read_smoke(service: &Section<'_>, problems: &mut Problems<'_>) -> Vec<SmokeTest> {
    let entries = service.texts_or_tables("smoke", problems).unwrap_or_default();
    let read = |entry: Entry<'_>| match entry {
        Entry::Text(path) => Some(SmokeTest::Path(read_path(path, problems))),
        Entry::Table(section) => {
            section.allow_only(&["command"], problems);
            let command = section.required_texts("command", problems)?;
            super::check_command(&section, &command, problems);
            Some(SmokeTest::Command(command.into_iter().map(|part| part.value).collect()))
        }
    };
    entries.into_iter().filter_map(read).collect()
}

fn read_path(path: Found<String>, problems: &mut Problems<'_>) -> String {
    if !path.value.starts_with('/') {
        let hint = format!("write `/{}`", path.value);
        problems.add(&path.at, "a smoke test is a path, which begins with `/`", Some(hint));
    }
    path.value
}

/// `watch = { for = "15m", max_error_rate = "1%", p99 = "500ms", min_requests = 50 }`
pub(super) fn read_watch(
    environment: &Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<WatchRule> {
    let section = environment.section("watch", problems)?;
    section.allow_only(&["for", "max_error_rate", "p99", "min_requests"], problems);
    section.require("for", problems);
    let for_ms = section.duration("for", problems);
    if for_ms == Some(0) {
        problems.add(&section.place_of("for"), "nothing is watched in no time", None);
    }
    let bad_per_mille = read_rate(&section, problems).unwrap_or(BAD_PER_MILLE);
    let p99_ms = section.short_duration("p99", problems);
    let min_requests = read_min_requests(&section, problems);
    Some(WatchRule { for_ms: for_ms?, bad_per_mille, p99_ms, min_requests })
}

fn read_rate(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    let written = section.text("max_error_rate", problems)?;
    let rate = per_mille(&written.value);
    if rate.is_none() {
        let message = format!("`{}` is no share of all requests", written.value);
        let hint = "write percent, with one digit behind the point at most: \"1%\", \"0.5%\"";
        problems.add(&written.at, message, Some(hint.to_owned()));
    }
    rate
}

/// `1%` and `0.5%` as parts of a thousand.
fn per_mille(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 3) || !digits(tenth, 1) {
        return None;
    }
    let rate = whole.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?;
    (rate <= 1000).then_some(rate)
}
