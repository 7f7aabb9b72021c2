//! What time alone opens and closes: wait timers, windows, freezes, and how long a job may wait.

use qnt9_model::Millis;
use qnt9_model::limits::GATE_EXPIRE_MS;
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{EnvironmentPolicy, Freeze, Window};
use qnt9_model::why::{Holds, Why};

use super::{Gate, duration};
use crate::calendar::{self, Opening};

const UTC: &str = "UTC";

impl<'a> Gate<'a> {
    pub(super) fn wait(&self, rules: &EnvironmentPolicy, now: Millis) -> Option<Why> {
        let wait = self.project.scaled(rules.wait_ms);
        if wait == 0 {
            return None;
        }
        let from = if planted::is(Fault::WaitFromRun) { self.run.created } else { self.leg.queued };
        let opens = from.plus(wait);
        let rule = format!("{} since it was asked for", duration(wait));
        Some(if now >= opens {
            Why::leaf(rule, Holds::Yes)
        } else {
            let passed = duration(now.since(self.leg.queued).max(0));
            Why::leaf(rule, Holds::NotYet).because(format!("{passed} passed")).at(opens)
        })
    }

    pub(super) fn windows(&self, rules: &EnvironmentPolicy, now: Millis) -> Option<Why> {
        let first = rules.windows.first()?;
        let written: Vec<String> = rules.windows.iter().map(ToString::to_string).collect();
        let rule = format!("{} is open", written.join(" or "));
        let shown = |at| calendar::moment(at, &first.timezone);
        Some(match calendar::opening(&rules.windows, now) {
            Opening::Open { until } => {
                Why::leaf(rule, Holds::Yes).because(format!("until {}", shown(until)))
            }
            Opening::Closed { opens: Some(opens) } => {
                Why::leaf(rule, Holds::NotYet).because(format!("opens {}", shown(opens))).at(opens)
            }
            Opening::Closed { opens: None } => {
                Why::leaf(rule, Holds::NotYet).because("it does not open this week")
            }
        })
    }

    pub(super) fn freeze(&self, now: Millis) -> Option<Why> {
        let freezes = self.freezes();
        let Some(freeze) = calendar::freeze_at(&freezes, now) else {
            let rule = format!("no freeze of {}", self.environment);
            return (!freezes.is_empty()).then(|| Why::leaf(rule, Holds::Yes));
        };
        let until = calendar::moment(freeze.until, self.zone());
        let rule = format!("no freeze of {}", self.environment);
        let evidence = format!("{}, until {until}", freeze.reason);
        Some(Why::leaf(rule, Holds::NotYet).because(evidence).at(freeze.until))
    }

    /// The time zone by which people of this environment think, as far as its rules tell.
    fn zone(&self) -> &'a str {
        let windows = self.rule_sets().into_iter().flat_map(|set| &set.rules.windows);
        windows.map(|window| window.timezone.as_str()).next().unwrap_or(UTC)
    }

    /// The freezes in force that are about this environment.
    fn freezes(&self) -> Vec<&'a Freeze> {
        let freezes = self.project.policy.iter().flat_map(|(_, policy)| &policy.freezes);
        freezes.filter(|freeze| freeze.concerns(self.environment)).collect()
    }

    fn window_sets(&self) -> Vec<&'a [Window]> {
        self.rule_sets().into_iter().map(|set| set.rules.windows.as_slice()).collect()
    }

    /// When the job has waited for its environment too long.
    pub(super) fn expires(&self) -> Millis {
        let sets = self.rule_sets();
        let shortest = sets.iter().map(|set| set.rules.expire_ms()).min();
        self.leg.queued.plus(shortest.unwrap_or(GATE_EXPIRE_MS))
    }

    pub(super) fn expired(&self, now: Millis) -> Option<Why> {
        let expires = self.expires();
        let waited = duration(expires.since(self.leg.queued));
        let rule = format!("a job waits for {} for at most {waited}", self.environment);
        (now >= expires).then(|| Why::leaf(rule, Holds::No).because("that time is over"))
    }

    /// The first moment at which the job can start if everybody does now what they can: when all its
    /// waits are over, its windows open and no freeze holds, before it has waited too long.
    pub(super) fn earliest(&self, now: Millis) -> Option<Millis> {
        let waits = self.rule_sets().into_iter().map(|set| self.project.scaled(set.rules.wait_ms));
        let waited = waits.map(|wait| self.leg.queued.plus(wait)).max().unwrap_or(now).max(now);
        let opens = calendar::first_opening(&self.window_sets(), &self.freezes(), waited)?;
        (opens == now || opens < self.expires()).then_some(opens)
    }

    /// When time alone changes this gate next: a wait is over, a window opens or closes, a freeze
    /// begins or ends, approvals or the job's own patience expire, a check has been silent too long.
    /// Windows and freezes come into it only when nothing else is missing.
    #[must_use]
    pub fn deadline(&self, now: Millis) -> Option<Millis> {
        let queued = self.leg.queued;
        let mut moments = vec![self.expires()];
        for set in self.rule_sets() {
            moments.push(queued.plus(self.project.scaled(set.rules.wait_ms)));
            let approvals = set.rules.approvals.as_ref();
            moments.extend(approvals.map(|rule| queued.plus(rule.expire_after_ms)));
        }
        moments.extend(self.checks_due());
        moments.extend(self.evidence_due());
        let (windows, freezes) = (self.window_sets(), self.freezes());
        let is_timed = !freezes.is_empty() || windows.iter().any(|windows| !windows.is_empty());
        if is_timed && self.waits_for_time_alone(now) {
            moments.extend(calendar::next_change(&windows, &freezes, now));
        }
        moments.into_iter().filter(|at| *at > now).min()
    }
}
