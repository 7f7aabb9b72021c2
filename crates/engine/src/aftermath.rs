//! What follows once a release has all traffic: it is watched for the declared time, and goes back by
//! itself when it does not keep to what it should; and the replicas of the one before it are kept to go
//! back to, until that time is over.

use qnt9_model::fact::{Fact, Verdict};
use qnt9_model::policy::WatchRule;
use qnt9_model::{DeploymentId, Millis};

use crate::judge::watch;
use crate::state::{Deployment, PlaceState, Project, Watched};
use crate::{announcement, rollback};

/// What evidence of a release that was watched is called.
pub(crate) const WATCHED: &str = "watched";

/// The next facts about what serves, if its state and the time call for any.
pub(crate) fn next(project: &Project, now: Millis) -> Vec<Fact> {
    let mut facts = project.places.values().map(|place| of_place(project, place, now));
    facts.find(|facts| !facts.is_empty()).unwrap_or_default()
}

fn of_place(project: &Project, place: &PlaceState, now: Millis) -> Vec<Fact> {
    if let Some((deployment, until)) = place.warm
        && now >= until
    {
        return vec![Fact::WarmEnded { deployment }];
    }
    let serving = place.serving.and_then(|id| project.deployments.get(&id));
    let watched = serving.filter(|serving| serving.is_watched());
    watched.map(|serving| watching(project, place.active, serving, now)).unwrap_or_default()
}

/// The next moment at which time alone changes something.
pub(crate) fn deadline(project: &Project) -> Option<Millis> {
    let of_place = |place: &PlaceState| {
        let serving = project.deployments.get(&place.serving?)?;
        serving.watched.as_ref().filter(|watched| watched.ended.is_none()).map(|w| w.until)
    };
    let watches = project.places.values().filter_map(of_place);
    let warm = project.places.values().filter_map(|place| place.warm.map(|(_, until)| until));
    watches.chain(warm).min()
}

fn watching(
    project: &Project,
    next: Option<DeploymentId>,
    of: &Deployment,
    now: Millis,
) -> Vec<Fact> {
    let (Some(watched), Some(rule)) = (&of.watched, &of.terms.watch) else { return Vec::new() };
    if let Some(report) = &of.replica_failure {
        return gone_bad(project, of, watched, report.show(), now);
    }
    if watched.verdict == Verdict::Bad {
        return gone_bad(project, of, watched, &watched.reason, now);
    }
    if let Some(next) = next {
        let reason = format!("deployment {next} began before the time was over");
        return vec![ended(of, Verdict::Undecided, reason)];
    }
    if now < watched.until {
        return Vec::new();
    }
    let (verdict, reason) = judged(watched, rule);
    let mut facts = vec![ended(of, verdict, reason.clone())];
    // Without enough requests nothing was proved, neither that it is well nor that it is not.
    facts.extend((verdict == Verdict::Good).then(|| evidence(project, of, true, reason)).flatten());
    facts
}

/// What all of its requests say at the end of its time.
fn judged(watched: &Watched, rule: &WatchRule) -> (Verdict, String) {
    let (verdict, figures) = watch(watched.counts, watched.slow, rule);
    if verdict == Verdict::Good && watched.counts.requests < rule.min_requests {
        let missing = rule.min_requests - watched.counts.requests;
        return (Verdict::Undecided, format!("{figures}; {missing} more would have been needed"));
    }
    (verdict, figures)
}

/// It did not keep to what it should: back to what served before it, and people are told.
fn gone_bad(
    project: &Project,
    of: &Deployment,
    watched: &Watched,
    reason: &str,
    now: Millis,
) -> Vec<Fact> {
    let environment = &of.place.environment;
    let mut facts = vec![ended(of, Verdict::Bad, reason.to_owned())];
    facts.extend(evidence(project, of, false, reason.to_owned()));
    let previous = of.previous.and_then(|id| project.deployments.get(&id));
    let back = match previous {
        None => Err("nothing served there before it".to_owned()),
        Some(_) if project.rolling_out(environment).next().is_some() => {
            Err("another rollout is going on there".to_owned())
        }
        Some(previous) => rollback::facts(project, environment, &previous.release)
            .map(|facts| (previous.release.short(), facts)),
    };
    let after = crate::gates::duration(now.since(watched.since));
    let release = of.release.short();
    let (title, text) = match back {
        Ok((to, back)) => {
            facts.extend(back);
            let title = format!("{environment} goes back from {release} to {to}");
            (title, format!("{release} served for {after} and was watched: {reason}"))
        }
        Err(why) => {
            let title = format!("{release} does badly in {environment}, and cannot go back");
            (title, format!("{reason}\n\nIt does not go back by itself: {why}."))
        }
    };
    facts.push(announcement::post(project, environment, title, text, now));
    facts
}

fn ended(of: &Deployment, verdict: Verdict, reason: String) -> Fact {
    Fact::WatchEnded { deployment: of.id, verdict, reason }
}

fn evidence(project: &Project, of: &Deployment, passed: bool, summary: String) -> Option<Fact> {
    let release = project.releases.get(&of.release)?;
    Some(Fact::EvidenceRecorded {
        call: None,
        kind: WATCHED.to_owned(),
        environment: Some(of.place.environment.clone()),
        commit: release.commit.clone(),
        release: Some(release.digest.clone()),
        passed,
        summary,
        time_scale: project.time_scale.max(1),
    })
}

/// What a window says of a watched release, together with those before it that the judge still looks at.
pub(crate) fn count(
    of: &Deployment,
    window: u64,
    counts: qnt9_model::fact::Counts,
    slow: u64,
    now: Millis,
) -> Option<Fact> {
    let (watched, rule) = (of.watched.as_ref()?, of.terms.watch.as_ref()?);
    if watched.ended.is_some() || window <= watched.window || counts.requests == 0 {
        return None;
    }
    let (before, slower) = watched.lately(now);
    let (verdict, reason) = watch(before.plus(counts), slower + slow, rule);
    Some(Fact::WindowWatched { deployment: of.id, window, counts, slow, verdict, reason })
}
