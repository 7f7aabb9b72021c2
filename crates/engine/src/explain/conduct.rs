//! What there is to a deployment beside its shares of the traffic: smoke tests, promotion, the exchange of
//! replicas, what is kept to go back to, and the watch afterwards.

use qnt9_model::fact::Verdict;
use qnt9_model::policy::{Promote, Strategy};
use qnt9_model::why::Holds;
use qnt9_model::{Millis, Why};

use crate::gates::duration;
use crate::rollout;
use crate::state::{Deployment, Project};

/// Its smoke tests, where it has any.
pub(super) fn smoke(of: &Deployment) -> Option<Why> {
    let tests = rollout::smoke_tests(of);
    let count = match tests {
        [] => return None,
        [_] => "its smoke test passes".to_owned(),
        several => format!("its {} smoke tests pass", several.len()),
    };
    Some(match &of.smoke {
        Some((true, _)) => Why::leaf(count, Holds::Yes),
        Some((false, report)) => Why::leaf(count, Holds::No).because(report.show()),
        None if of.outcome.is_some() => Why::leaf(count, Holds::No).because("not reached"),
        None => Why::leaf(count, Holds::NotYet).because("not run yet"),
    })
}

/// Whether somebody has promoted it, where somebody must.
pub(super) fn promotion(project: &Project, of: &Deployment) -> Option<Why> {
    let Strategy::BlueGreen { promote: Promote::Manual, .. } = of.terms.strategy else {
        return None;
    };
    of.previous?;
    let rule = "a person promotes it";
    Some(match &of.promoted {
        Some((by, _)) => Why::leaf(rule, Holds::Yes).because(by.to_string()),
        None if of.outcome.is_some() => Why::leaf(rule, Holds::No).because("nobody did"),
        None => {
            let environment = &of.place.environment;
            let preview = project.places.get(&of.place).and_then(|place| place.preview.as_ref());
            let at = preview.filter(|_| rollout::awaits_promotion(of));
            let at = at.map(|at| format!("it waits at http://{at}; ")).unwrap_or_default();
            Why::leaf(rule, Holds::NotYet).because(format!("{at}qnt9 promote {environment}"))
        }
    })
}

/// How far the exchange of replicas has come.
pub(super) fn exchange(of: &Deployment) -> Option<Why> {
    let shift = of.shift?;
    let rule = format!("{} replicas take the place of the old ones", of.replicas);
    let holds = match (shift.own >= of.replicas, of.outcome.is_some()) {
        (true, _) => Holds::Yes,
        (false, true) => Holds::No,
        (false, false) => Holds::NotYet,
    };
    let (ready, former) = (of.ready.len(), shift.former);
    let evidence = format!("{ready} of {} are healthy, {former} old ones stay", shift.own);
    Some(Why::leaf(rule, holds).because(evidence))
}

/// Until when the release before it is kept.
pub(super) fn kept(project: &Project, of: &Deployment, now: Millis) -> Option<Why> {
    let place = project.places.get(&of.place).filter(|place| place.serving == Some(of.id))?;
    let (kept, until) = place.warm?;
    let release = project.deployments.get(&kept).map(|kept| kept.release.short());
    let rule = format!("{} is kept to go back to at once", release.unwrap_or_default());
    let left = duration(until.since(now).max(0));
    Some(Why::leaf(rule, Holds::Yes).because(format!("for {left} yet")))
}

/// How it does, or did, while it is watched.
pub(super) fn watch(of: &Deployment, now: Millis) -> Option<Why> {
    let (watched, rule) = (of.watched.as_ref()?, of.terms.watch.as_ref()?);
    let long = duration(rule.for_ms);
    let limit = rule.bad_per_mille;
    let p99 = rule.p99_ms.map(|p99| format!(", P99 up to {p99} ms")).unwrap_or_default();
    let text = format!("watched for {long}: at most {}.{} % fail{p99}", limit / 10, limit % 10);
    let said = match watched.reason.as_str() {
        "" => "no request was counted yet".to_owned(),
        said => said.to_owned(),
    };
    Some(match (watched.ended, watched.verdict) {
        (Some(_), Verdict::Good) => Why::leaf(text, Holds::Yes).because(said),
        (Some(_), Verdict::Bad) => Why::leaf(text, Holds::No).because(said),
        (Some(_), Verdict::Undecided) => Why::leaf(text, Holds::Barred).because(said),
        (None, _) => {
            let left = duration(watched.until.since(now).max(0));
            let evidence = format!("{said}; {left} to go");
            Why::leaf(text, Holds::NotYet).because(evidence).at(watched.until)
        }
    })
}
