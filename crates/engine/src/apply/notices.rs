//! Notifications and secrets.

use qnt9_model::limits::{NOTIFICATION_PAUSE_MAX_MS, NOTIFICATION_TRIES_MAX};
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
                let id = NotificationId(self.entry.sequence);
                project.undelivered.extend(webhook.as_ref().map(|_| id));
                project.notifications.insert(id, notification);
            }
            Fact::NotificationDelivered { notification } => {
                if let Some(state) = project.notifications.get_mut(notification) {
                    state.delivered = Some(time);
                }
                project.undelivered.remove(notification);
            }
            Fact::NotificationFailed { notification, reason } => {
                if let Some(state) = project.notifications.get_mut(notification) {
                    state.delivery.failed(time, reason, NOTIFICATION_PAUSE_MAX_MS);
                    if state.delivery.failures >= NOTIFICATION_TRIES_MAX {
                        project.undelivered.remove(notification);
                    }
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
