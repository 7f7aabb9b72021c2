//! What people are told of deployments, and who of them is on call.

use qnt9_model::fact::Fact;
use qnt9_model::policy::Shift;
use qnt9_model::{EnvironmentName, Millis, UserText};

use crate::calendar::{self, Opening};
use crate::rollout::companions;
use crate::state::Project;
use crate::summary;

/// These facts, and after each deployment's end the notification that its environment asks for. The
/// services of one release are told of together, with the end of the first of them.
pub(crate) fn with(project: &Project, facts: Vec<Fact>, now: Millis) -> Vec<Fact> {
    let told: Vec<Fact> = facts.iter().filter_map(|fact| of_end(project, fact, now)).collect();
    facts.into_iter().chain(told).collect()
}

fn of_end(project: &Project, fact: &Fact, now: Millis) -> Option<Fact> {
    let Fact::DeploymentFinished { deployment, outcome } = fact else { return None };
    let mut ended = project.deployments.get(deployment)?.clone();
    let environment = ended.place.environment.clone();
    let (_, policy) = project.policy.as_ref()?;
    policy.environment(&environment)?.notify.as_ref()?;
    if companions(project, &ended).any(|other| other.outcome.is_some()) {
        return None;
    }
    ended.outcome = Some((outcome.clone(), now));
    let title = summary::title(project, &ended);
    let text = summary::markdown(project, &ended);
    Some(post(project, &environment, title, text, now))
}

/// A notification about an environment, to where its rules say, naming who is on call.
pub(crate) fn post(
    project: &Project,
    environment: &EnvironmentName,
    title: String,
    mut text: String,
    now: Millis,
) -> Fact {
    if let Some(who) = on_call(project, now) {
        text = format!("{}\n\nOn call: {who}\n", text.trim_end());
    }
    let rules = project.policy.as_ref().and_then(|(_, policy)| policy.environment(environment));
    let secret = rules.and_then(|rules| rules.notify.as_ref());
    let value = |of: Option<EnvironmentName>| {
        project.secrets.get(&(secret?.to_ascii_uppercase(), of)).cloned()
    };
    let webhook = value(Some(environment.clone())).or_else(|| value(None));
    Fact::NotificationPosted {
        call: None,
        title: UserText::from(title),
        text: UserText::from(text),
        webhook,
    }
}

/// Who is on call at this moment: the first of the rota whose time it is.
#[must_use]
pub(crate) fn on_call(project: &Project, now: Millis) -> Option<&str> {
    let (_, policy) = project.policy.as_ref()?;
    let has_begun = |shift: &&Shift| {
        shift.windows.is_empty()
            || matches!(calendar::opening(&shift.windows, now), Opening::Open { .. })
    };
    let shift = policy.on_call.iter().find(has_begun)?;
    Some(&shift.who)
}
