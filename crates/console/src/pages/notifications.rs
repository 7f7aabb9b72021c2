//! Notifications: what was told to whom, and whether it arrived.

use maud::{Markup, html};
use qnt9_engine::state::Notification;
use qnt9_model::limits::NOTIFICATION_TRIES_MAX;

use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::{paths, text};

/// Notifications that are listed.
const SHOWN_MAX: usize = 100;

/// The page of notifications.
#[must_use]
pub fn notifications(view: &View<'_>) -> Markup {
    let all = &view.project.notifications;
    let stuck = all.values().filter(|notification| is_stuck(notification)).count();
    let title = match (all.len(), stuck) {
        (0, _) => "Nothing was announced yet".to_owned(),
        (_, 0) => "Every notification arrived or is on its way".to_owned(),
        (_, 1) => "One notification did not arrive".to_owned(),
        (_, many) => format!("{} notifications did not arrive", text::head_number(many)),
    };
    let body = html! {
        div.head #head data-live { h1 { (title) } }
        p.meta { span { "Newest first; each is sent at least once and carries a key, so that receivers can tell repetitions" } }
        section.panel #list data-live aria-label="Notifications" {
            @if all.is_empty() {
                p.empty { "A step posts one with " code { "qnt9 notify --title … --text …" } ", and " code { "--webhook URL" } " sends it there." }
            } @else {
                ul.inbox {
                    @for (id, notification) in all.iter().rev().take(SHOWN_MAX) {
                        li id={ "n" (id) } {
                            strong { (notification.title.show()) }
                            (arrival(view, notification))
                            p {
                                (notification.text.show()) " "
                                span.faint {
                                    (view.clock.relative(notification.posted)) " · by "
                                    @match &notification.call {
                                        Some(call) => a href=(paths::run_job(view.stream, call.attempt.run, &call.attempt.job)) { (call.attempt.job) " of run " (call.attempt.run) },
                                        None => (notification.by),
                                    }
                                    @if let Some(failure) = &notification.delivery.failure { " · last failure: " (failure) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    page(view, Section::Notifications, &format!("Notifications · {}", view.stream), &body)
}

fn is_stuck(notification: &Notification) -> bool {
    notification.delivered.is_none() && notification.delivery.failures >= NOTIFICATION_TRIES_MAX
}

fn arrival(view: &View<'_>, notification: &Notification) -> Markup {
    html! {
        @match (&notification.webhook, notification.delivered) {
            (None, _) => (Shape::Ok.quiet("kept here")),
            (Some(_), Some(at)) => span { (Shape::Ok.quiet("delivered")) " " span.soft { (view.clock.relative(at)) } },
            (Some(_), None) if is_stuck(notification) => (Shape::Bad.loud(format!("given up after {} tries", notification.delivery.failures))),
            (Some(_), None) if notification.delivery.failures > 0 => (Shape::Wait.loud(format!("tried {} of {} times", notification.delivery.failures, NOTIFICATION_TRIES_MAX))),
            (Some(_), None) => (Shape::Run.loud("being sent")),
        }
    }
}
