//! Secrets' names, notifications and evidence.

use qnt9_server::api::shapes::{EvidenceShape, NotificationShape, SecretShape};

use super::{Clock, Table, cut};

/// Figures are cut to this.
const FIGURES_CHARS_MAX: usize = 100;

/// A line per secret.
pub fn secrets(secrets: &[SecretShape]) -> String {
    let mut table = Table::new(["SECRET", "FOR"]);
    for one in secrets {
        let environment = one.environment.as_ref();
        let whom = environment.map(|environment| format!("jobs of {environment}"));
        table.row([one.name.clone(), whom.unwrap_or_else(|| "every job".to_owned())]);
    }
    table.text(0, "no secrets")
}

/// A notification with its text below it.
pub fn notifications(notifications: &[NotificationShape], clock: &Clock) -> String {
    if notifications.is_empty() {
        return "no notifications\n".to_owned();
    }
    let shown = notifications.iter().map(|one| {
        let mut text = format!(
            "{} {}   {} by {}   {}\n",
            delivery_sign(one),
            one.title,
            clock.relative(one.posted),
            one.by,
            delivery(one, clock)
        );
        for line in one.text.lines() {
            text.push_str(&format!("    {line}\n"));
        }
        text
    });
    shown.collect()
}

const fn delivery_sign(one: &NotificationShape) -> char {
    match (&one.webhook, one.delivered, one.failures) {
        (None, ..) | (_, Some(_), _) => '✓',
        (Some(_), None, 0) => super::NOT_YET,
        (Some(_), None, _) => '✗',
    }
}

fn delivery(one: &NotificationShape, clock: &Clock) -> String {
    let Some(webhook) = &one.webhook else { return "only kept here".to_owned() };
    match (one.delivered, &one.failure) {
        (Some(at), _) => format!("delivered to {webhook} {}", clock.relative(at)),
        (None, Some(failure)) => {
            format!("not delivered to {webhook} after {} tries: {failure}", one.failures)
        }
        (None, None) => format!("on its way to {webhook}"),
    }
}

/// A line per piece of evidence.
pub fn evidence(evidence: &[EvidenceShape], clock: &Clock) -> String {
    let heads = ["  KIND", "ENVIRONMENT", "COMMIT", "RELEASE", "FIGURES", "WHEN", "RUN"];
    let mut table = Table::new(heads);
    for one in evidence {
        let scale = match one.time_scale {
            0 | 1 => String::new(),
            scale => format!(" (at time scale {scale})"),
        };
        table.row([
            format!("{} {}", if one.passed { '✓' } else { '✗' }, one.kind),
            one.environment.as_ref().map(ToString::to_string).unwrap_or_default(),
            one.commit.short().to_owned(),
            one.release.as_ref().map(|release| release.short()).unwrap_or_default(),
            format!("{}{scale}", cut(&one.summary, FIGURES_CHARS_MAX)),
            clock.relative(one.at),
            one.run.map(|run| run.to_string()).unwrap_or_default(),
        ]);
    }
    table.text(0, "no evidence")
}
