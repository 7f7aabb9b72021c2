//! Notifications and secrets.

use qnt9_model::limits::NOTIFICATION_PAUSE_MAX_MS;
use qnt9_model::{Fact, NotificationId};

use super::Applying;
use crate::state::{Delivery, Notification};

impl Applying<'_> {
    pub(super) fn notice(&mut self, fact: &Fact) {
        let time = self.time();
        let project = &mut *self.project;
        match fact {
            Fact::NotificationPosted { call, title, text, webhook } => {
                let notification = Notification {
                    call: call.clone(),
                    title: title.clone(),
                    text: text.clone(),
                    webhook: webhook.clone(),
                    posted: time,
                    by: self.entry.actor.clone(),
                    delivered: None,
                    delivery: Delivery::default(),
                };
                project.notifications.insert(NotificationId(self.entry.sequence), notification);
            }
            Fact::NotificationDelivered { notification } => {
                if let Some(state) = project.notifications.get_mut(notification) {
                    state.delivered = Some(time);
                }
            }
            Fact::NotificationFailed { notification, reason } => {
                if let Some(state) = project.notifications.get_mut(notification) {
                    state.delivery.failed(time, reason, NOTIFICATION_PAUSE_MAX_MS);
                }
            }
            Fact::SecretSet { name, environment, value } => {
                project.secrets.insert((name.clone(), environment.clone()), value.clone());
            }
            Fact::SecretRemoved { name, environment } => {
                project.secrets.remove(&(name.clone(), environment.clone()));
            }
            _ => {}
        }
    }
}
