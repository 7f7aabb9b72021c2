//! The same questions answered by brute force from the facts alone: no state, no gates, no deadlines.
//! When something can go on is found by trying every moment of the grid, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use qnt9_model::fact::{Cause, DeploymentOutcome, Fact, Subjects};
use qnt9_model::policy::{ApprovalRule, Day, EnvironmentPolicy, Exclude, Freeze, Trigger, Window};
use qnt9_model::why::Holds;
use qnt9_model::{DeploymentId, Entry, Millis, Policy, Role, RunId, Sha};

use super::story::{GRID_MS, MONDAY, Story, production};
use crate::world::long;

/// How far from [`MONDAY`] moments are tried.
const STEPS: usize = 60 * 24 * 12;

/// What is to be found out about a waiting job.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) holds: Holds,
    /// Whose approval is wanted.
    pub(super) who: BTreeSet<String>,
    /// The first moment at which it can start if everybody does now what they can.
    pub(super) earliest: Option<Millis>,
}

pub(super) fn judge(story: &Story) -> Verdict {
    let past = Past { log: &story.log, run: story.run, now: story.now, subjects: story.subjects() };
    let holds = past.holds_now();
    let who = match holds {
        Holds::NotYet => past.wanted(),
        _ => BTreeSet::new(),
    };
    let moments = (0..STEPS).map(|step| MONDAY.plus(step as i64 * GRID_MS));
    let mut moments = moments.filter(|at| *at >= story.now);
    let earliest = match holds {
        Holds::Yes => Some(story.now),
        Holds::NotYet => moments.find(|at| past.could_start(*at)),
        Holds::No | Holds::Barred => None,
    };
    Verdict { holds, who, earliest }
}

struct Past<'a> {
    log: &'a [Entry],
    run: RunId,
    now: Millis,
    subjects: Subjects,
}

impl<'a> Past<'a> {
    /// Whether the job could start at that moment, if everybody did now what they can.
    fn could_start(&self, at: Millis) -> bool {
        let by_people = self.by_people().into_iter().all(|holds| holds != Holds::No);
        by_people && self.by_time(at).into_iter().all(|holds| holds) && !self.expired(at)
    }

    fn holds_now(&self) -> Holds {
        let mut parts = self.by_people();
        let time = self.by_time(self.now).into_iter();
        parts.extend(time.map(|holds| if holds { Holds::Yes } else { Holds::NotYet }));
        parts.push(if self.is_taken() { Holds::NotYet } else { Holds::Yes });
        if parts.contains(&Holds::No) {
            Holds::No
        } else if parts.iter().all(|holds| *holds == Holds::Yes) {
            Holds::Yes
        } else if self.expired(self.now) {
            Holds::No
        } else {
            Holds::NotYet
        }
    }

    /// What people have done about it, by each rule.
    fn by_people(&self) -> Vec<Holds> {
        let mut parts = Vec::new();
        for rules in self.rules() {
            parts.push(self.branch(rules));
            parts.push(self.trigger(rules));
            parts.extend(rules.approvals.as_ref().map(|rule| self.approvals(rule)));
            for wanted in &rules.evidence {
                let about_this = |commit: &Sha, release: &Option<_>| match wanted.environment {
                    None => *commit == long("head"),
                    Some(_) => release.is_some() && *release == self.subjects.release,
                };
                let newest = self.facts().rev().find_map(|fact| match fact {
                    Fact::EvidenceRecorded {
                        kind, environment, commit, release, passed, ..
                    } if *kind == wanted.kind
                        && (wanted.environment.is_none() || *environment == wanted.environment)
                        && about_this(commit, release) =>
                    {
                        Some(*passed)
                    }
                    _ => None,
                });
                parts.push(match newest {
                    Some(true) => Holds::Yes,
                    Some(false) => Holds::No,
                    None => Holds::NotYet,
                });
            }
            parts.extend(rules.checks.iter().map(|wanted| self.check(&wanted.name)));
        }
        parts
    }

    /// What the newest question to a check came to, if it was about what would be deployed now.
    fn check(&self, wanted: &str) -> Holds {
        let newest = self.log.iter().rev().find_map(|entry| match &entry.fact {
            Fact::CheckRequested { run, name, subjects, until, .. }
                if *run == self.run && name == wanted =>
            {
                Some((entry.sequence, *subjects == self.subjects, *until))
            }
            _ => None,
        });
        let Some((id, true, until)) = newest else { return Holds::NotYet };
        let answer = self.facts().find_map(|fact| match fact {
            Fact::CheckAnswered { check, passed, .. } if check.0 == id => Some(*passed),
            _ => None,
        });
        match answer {
            Some(true) => Holds::Yes,
            Some(false) => Holds::No,
            None if self.now >= until => Holds::No,
            None => Holds::NotYet,
        }
    }

    /// What the clock says, by each rule.
    fn by_time(&self, at: Millis) -> Vec<bool> {
        let mut parts = Vec::new();
        for rules in self.rules() {
            parts.push(at >= self.queued().plus(rules.wait_ms));
            parts.push(rules.windows.is_empty() || rules.windows.iter().any(|w| is_open(w, at)));
        }
        parts.push(!self.freezes().iter().any(|freeze| {
            let here = &freeze.environments;
            let here = here.is_empty() || here.contains(&production());
            here && freeze.from <= at && at < freeze.until
        }));
        parts
    }

    fn expired(&self, at: Millis) -> bool {
        self.rules().iter().any(|rules| at >= self.queued().plus(rules.expire_ms()))
    }

    fn facts(&self) -> impl DoubleEndedIterator<Item = &'a Fact> + use<'a> {
        self.log.iter().map(|entry| &entry.fact)
    }

    fn queued(&self) -> Millis {
        let planned = |entry: &&Entry| matches!(&entry.fact, Fact::JobPlanned { run, .. } if *run == self.run);
        self.log.iter().find(planned).expect("the job was planned").time
    }

    /// The rules in force, and those under which what serves now was deployed.
    fn rules(&self) -> Vec<&'a EnvironmentPolicy> {
        let mut before = None;
        if let Some((deployment, _)) = self.serving() {
            let until = self.log.iter().take_while(|entry| {
                entry.stream.as_str() != "shop" || entry.sequence < deployment.0
            });
            before = until.filter_map(|entry| adopted(&entry.fact)).last();
        }
        let policies = [self.facts().filter_map(adopted).next_back(), before];
        policies
            .into_iter()
            .flatten()
            .filter_map(|policy| policy.environment(&production()))
            .collect()
    }

    fn freezes(&self) -> &'a [Freeze] {
        self.facts().filter_map(adopted).next_back().map_or(&[], |policy| &policy.freezes)
    }

    /// The deployment that serves production, and its commit.
    fn serving(&self) -> Option<(DeploymentId, Sha)> {
        let deployment = self.facts().find_map(|fact| match fact {
            Fact::DeploymentFinished { deployment, outcome: DeploymentOutcome::Succeeded } => {
                Some(*deployment)
            }
            _ => None,
        })?;
        Some((deployment, long("base")))
    }

    /// What started the run, and what started the run that it repeats.
    fn causes(&self) -> Vec<&'a Cause> {
        let cause_of = |id: RunId| {
            self.log.iter().find_map(|entry| match &entry.fact {
                Fact::RunCreated { cause, .. } if entry.sequence == id.0 => Some(cause),
                _ => None,
            })
        };
        let mut causes: Vec<&Cause> = Vec::new();
        let mut next = Some(self.run);
        while let Some(cause) = next.and_then(cause_of) {
            causes.push(cause);
            next = match cause {
                Cause::Rerun { of, .. } => Some(*of),
                _ => None,
            };
        }
        causes
    }

    fn branch(&self, rules: &EnvironmentPolicy) -> Holds {
        let reference = self.log.iter().find_map(|entry| match &entry.fact {
            Fact::RunCreated { reference, .. } if entry.sequence == self.run.0 => Some(reference),
            _ => None,
        });
        let reference = reference.expect("the run was created");
        let allowed = |branch: &String| *reference == format!("refs/heads/{branch}");
        let holds = rules.branches.is_empty() || rules.branches.iter().any(allowed);
        if holds { Holds::Yes } else { Holds::No }
    }

    fn trigger(&self, rules: &EnvironmentPolicy) -> Holds {
        let first = self.causes().pop();
        match rules.trigger {
            Trigger::Manual if !matches!(first, Some(Cause::Dispatch { .. })) => Holds::No,
            _ => Holds::Yes,
        }
    }

    fn is_taken(&self) -> bool {
        let deployed = |id: DeploymentId| {
            self.facts().any(|fact| {
                matches!(fact, Fact::DeploymentFinished { deployment, .. } if *deployment == id)
            })
        };
        self.log.iter().any(|entry| match &entry.fact {
            Fact::GatesOpened { .. } => true,
            Fact::DeploymentRequested { .. } => !deployed(DeploymentId(entry.sequence)),
            _ => false,
        })
    }

    fn approvals(&self, rule: &ApprovalRule) -> Holds {
        let rejected = self.decisions().any(|(_, subjects)| subjects.is_none());
        let eligible: Vec<&String> =
            rule.from.iter().filter(|person| self.may_approve(person, rule)).collect();
        let given = eligible.iter().filter(|person| self.has_approved(person)).count();
        let needed = rule.needed as usize;
        let too_late = self.now >= self.queued().plus(rule.expire_after_ms);
        if rejected {
            Holds::No
        } else if given >= needed {
            Holds::Yes
        } else if eligible.len() < needed || too_late {
            Holds::No
        } else {
            Holds::NotYet
        }
    }

    /// Everybody whose approval would count and is still missing.
    fn wanted(&self) -> BTreeSet<String> {
        let mut wanted = BTreeSet::new();
        for rule in self.rules().iter().filter_map(|rules| rules.approvals.as_ref()) {
            if self.approvals(rule) == Holds::NotYet {
                let free =
                    |person: &&String| self.may_approve(person, rule) && !self.has_approved(person);
                wanted.extend(rule.from.iter().filter(free).cloned());
            }
        }
        wanted
    }

    /// Who decided about the job, and what they approved; nothing for a rejection.
    fn decisions(&self) -> impl Iterator<Item = (&'a String, Option<&'a Subjects>)> + use<'a> {
        let of = self.run;
        self.facts().filter_map(move |fact| match fact {
            Fact::ApprovalGiven { run, person, subjects, .. } if *run == of => {
                Some((person, Some(subjects)))
            }
            Fact::ApprovalRejected { run, person, .. } if *run == of => Some((person, None)),
            _ => None,
        })
    }

    fn has_approved(&self, who: &str) -> bool {
        self.decisions().any(|(person, subjects)| person == who && subjects == Some(&self.subjects))
    }

    fn may_approve(&self, who: &str, rule: &ApprovalRule) -> bool {
        let role = self.facts().rev().find_map(|fact| match fact {
            Fact::RoleChanged { person, role } if person == who => Some(*role),
            Fact::PersonAdded { person } if person.name == who => Some(person.role),
            _ => None,
        });
        if !matches!(role, Some(Role::Approver | Role::Admin)) {
            return false;
        }
        let started = self.causes().iter().any(|cause| cause.by() == who);
        match rule.exclude {
            Exclude::Nobody => true,
            Exclude::Dispatcher => !started,
            Exclude::Authors => !started && !self.made_some_of_it(who),
        }
    }

    /// Whether they wrote or pushed a commit that production does not have yet.
    fn made_some_of_it(&self, who: &str) -> bool {
        let deployed = self.serving().map(|(_, commit)| commit);
        let is_new = |sha: &Sha| Some(sha) != deployed.as_ref();
        let email = format!("{who}@example.com");
        let mut pusher_of: BTreeMap<&Sha, &String> = BTreeMap::new();
        let mut offered = None;
        let mut wrote = false;
        for fact in self.facts() {
            match fact {
                Fact::CommitsSeen { commits } => {
                    wrote |= commits.iter().any(|c| is_new(&c.sha) && c.email == email);
                }
                Fact::PushOffered { by, .. } => offered = Some(by),
                Fact::PushSettled { moved, .. } => {
                    for sha in moved.iter().filter_map(|update| update.new.as_ref()) {
                        pusher_of.extend(offered.map(|by| (sha, by)));
                    }
                }
                _ => {}
            }
        }
        wrote || pusher_of.iter().any(|(sha, by)| is_new(sha) && *by == who)
    }
}

fn adopted(fact: &Fact) -> Option<&Policy> {
    match fact {
        Fact::PolicyAdopted { policy, .. } => Some(policy),
        _ => None,
    }
}

/// Day and minute of the day at each moment of the grid, by the clocks of each zone.
static CLOCKS: LazyLock<BTreeMap<&str, Vec<(Day, u16)>>> = LazyLock::new(|| {
    let read = |zone: &'static str| {
        let zone = jiff::tz::TimeZone::get(zone).expect("the zone is known");
        let at = |step: usize| {
            let at = jiff::Timestamp::from_millisecond(MONDAY.0 + step as i64 * GRID_MS)
                .expect("a moment of this century")
                .to_zoned(zone.clone());
            let day = Day::ALL[at.weekday().to_monday_zero_offset() as usize];
            (day, at.hour() as u16 * 60 + at.minute() as u16)
        };
        (0..STEPS).map(at).collect()
    };
    let zones = ["Europe/Berlin", "America/New_York", "UTC"];
    zones.into_iter().map(|zone| (zone, read(zone))).collect()
});

fn is_open(window: &Window, at: Millis) -> bool {
    let step = (at.since(MONDAY) / GRID_MS) as usize;
    let (day, minute) = CLOCKS[window.timezone.as_str()][step];
    let yesterday = Day::ALL[(day as usize + 6) % 7];
    let opened = |on: Day| window.days.contains(&on);
    if window.opens < window.closes {
        opened(day) && (window.opens..window.closes).contains(&minute)
    } else {
        (opened(day) && minute >= window.opens) || (opened(yesterday) && minute < window.closes)
    }
}
