//! Evidence: what was proved of the commit or of the release, and what checks answered.

use qnt9_model::Millis;
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{CheckRule, EvidenceRule};
use qnt9_model::why::{Holds, Why};

use super::{Gate, duration};
use crate::state::{Check, Evidence};

/// The kind of evidence after whose failure a person says why.
const LOAD_TEST: &str = "load-test";

impl<'a> Gate<'a> {
    pub(super) fn evidence(&self, rule: &EvidenceRule, now: Millis) -> Why {
        let release = self.subjects().release;
        let is_about_this = |evidence: &&Evidence| {
            evidence.kind == rule.kind
                && match &rule.environment {
                    // What has an age and no place, such as a backup, belongs to no commit.
                    None => rule.max_age_ms.is_some() || evidence.commit == self.run.commit,
                    Some(environment) => {
                        evidence.environment.as_ref() == Some(environment)
                            && release.is_some()
                            && (evidence.release == release
                                || planted::is(Fault::EvidenceOfOtherRelease))
                    }
                }
        };
        let subject = |verb: &str| match (&rule.environment, &release) {
            (Some(environment), Some(release)) => {
                format!("{} {verb} in {environment} for {}", rule.kind, release.short())
            }
            (Some(environment), None) => {
                format!("{} {verb} in {environment} for this release", rule.kind)
            }
            (None, _) if rule.max_age_ms.is_some() => format!("{} {verb}", rule.kind),
            (None, _) => format!("{} {verb} for {}", rule.kind, self.run.commit.short()),
        };
        let fresh = rule.max_age_ms.map(|most| format!(" within the last {}", duration(most)));
        let subject = |verb| format!("{}{}", subject(verb), fresh.as_deref().unwrap_or_default());
        let mut all = self.project.evidence.iter();
        let found = if planted::is(Fault::EvidenceOldest) {
            all.find(is_about_this)
        } else {
            all.rfind(is_about_this)
        };
        match found {
            Some(evidence) if stale(rule, evidence, now) => {
                let age = duration(now.since(evidence.at));
                Why::leaf(subject("passed"), Holds::NotYet)
                    .because(format!("the newest is {age} old"))
            }
            Some(evidence) if evidence.passed => {
                let scale = match evidence.time_scale {
                    0 | 1 => String::new(),
                    scale => format!(" (made at time scale {scale})"),
                };
                Why::leaf(subject("passed"), Holds::Yes)
                    .because(format!("{}{scale}", evidence.summary))
            }
            Some(evidence) => {
                Why::leaf(subject("failed"), Holds::No).because(evidence.summary.clone())
            }
            None => Why::leaf(subject("passed"), Holds::NotYet).because("none recorded yet"),
        }
    }

    /// After a load test that failed here, the next try waits until a person has written down why.
    pub(super) fn cause(&self) -> Option<Why> {
        let newest = self.project.newest_evidence(self.environment, LOAD_TEST)?;
        if newest.passed {
            return None;
        }
        let rule = format!("the cause of the failed {LOAD_TEST} is noted");
        Some(match &newest.cause {
            Some(cause) => Why::leaf(rule, Holds::Yes).because(format!(
                "{} by {}",
                cause.text.show(),
                cause.by
            )),
            None => {
                let note = format!("qnt9 note {LOAD_TEST} --environment {}", self.environment);
                Why::leaf(rule, Holds::NotYet)
                    .because(format!("{}; a developer writes it: {note}", newest.summary))
            }
        })
    }

    /// When evidence that this gate looks at becomes too old.
    pub(super) fn evidence_due(&self) -> impl Iterator<Item = Millis> {
        let rules = self.rule_sets().into_iter().flat_map(|set| &set.rules.evidence);
        let aging = rules.filter_map(|rule| Some((rule, rule.max_age_ms?.saturating_add(1))));
        aging.flat_map(|(rule, age)| {
            let is_meant = |known: &&Evidence| {
                known.kind == rule.kind && known.environment == rule.environment
            };
            let meant = self.project.evidence.iter().filter(is_meant);
            meant.map(move |known| known.at.plus(age))
        })
    }

    /// What a check says about exactly what would be deployed now.
    pub(super) fn check(&self, rule: &CheckRule, now: Millis) -> Why {
        let passed = || format!("check {} passes", rule.name);
        let Some(check) = self.asked(rule) else {
            return Why::leaf(passed(), Holds::NotYet).because("it is asked next");
        };
        match &check.answer {
            Some((_, true, reason)) => Why::leaf(passed(), Holds::Yes).because(reason.show()),
            Some((_, false, reason)) => {
                Why::leaf(format!("check {} failed", rule.name), Holds::No).because(reason.show())
            }
            None if now >= check.until => {
                let silent = duration(check.until.since(check.requested));
                let known = check.delivery.failure.as_deref().filter(|_| check.delivered.is_none());
                let known = known.map(|known| format!(": {known}")).unwrap_or_default();
                Why::leaf(format!("check {} failed", rule.name), Holds::No)
                    .because(format!("it did not answer within {silent}{known}"))
            }
            None => Why::leaf(passed(), Holds::NotYet).because(stands(check, now)),
        }
    }

    /// The checks that have not been asked about exactly what would be deployed now.
    pub(crate) fn unasked(&self) -> Vec<&'a CheckRule> {
        let rules = self.rule_sets().into_iter().flat_map(|set| &set.rules.checks);
        let mut unasked: Vec<&CheckRule> = Vec::new();
        for rule in rules.filter(|rule| self.asked(rule).is_none()) {
            if !unasked.iter().any(|known| known.name == rule.name) {
                unasked.push(rule);
            }
        }
        unasked
    }

    /// The newest question to a check, if it was about what would be deployed now.
    fn asked(&self, rule: &CheckRule) -> Option<&'a Check> {
        let newest = self.leg.checks.iter().rfind(|check| check.name == rule.name)?;
        let same = newest.subjects == self.subjects() || planted::is(Fault::CheckOfOtherSubjects);
        same.then_some(newest)
    }

    /// When the silence of a check that was asked fails it.
    pub(super) fn checks_due(&self) -> impl Iterator<Item = Millis> + use<'a> {
        let open = self.leg.checks.iter().filter(|check| check.answer.is_none());
        open.map(|check| check.until)
    }
}

/// Whether it is older than it may be.
fn stale(rule: &EvidenceRule, evidence: &Evidence, now: Millis) -> bool {
    rule.max_age_ms.is_some_and(|most| now.since(evidence.at) > most)
}

/// How far an unanswered question has come.
fn stands(check: &Check, now: Millis) -> String {
    let ago = duration(now.since(check.requested).max(0));
    match (&check.delivered, &check.delivery.failure) {
        (None, Some(failure)) => format!("asked {ago} ago and not reached yet: {failure}"),
        _ => format!("asked {ago} ago, no answer yet"),
    }
}
