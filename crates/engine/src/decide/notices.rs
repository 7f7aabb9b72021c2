//! Notifications and secrets.

use qnt9_model::fact::Fact;
use qnt9_model::{Actor, Command, Refusal, Role, UserText};

use super::On;

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::Notify { call, title, text, webhook } => {
            match (call, on.by) {
                (Some(call), Actor::Job(_)) => {
                    on.caller("notify", &call.attempt)?;
                    let mut posted = on.project.notifications.values();
                    if posted.any(|known| known.call.as_ref() == Some(call)) {
                        return Ok(Vec::new());
                    }
                }
                (None, Actor::Platform) => {}
                _ => return Err(on.wrong("notify")),
            }
            Ok(vec![Fact::NotificationPosted {
                call: call.clone(),
                title: UserText::from(title.as_str()),
                text: UserText::from(text.as_str()),
                webhook: webhook.as_deref().map(UserText::from),
            }])
        }
        Command::NotificationTried { notification, failure } => {
            on.platform_only("say how a notification went")?;
            let known = on.project.notifications.get(notification);
            if known.is_none_or(|known| known.delivered.is_some()) {
                return Ok(Vec::new());
            }
            let notification = *notification;
            Ok(vec![match failure {
                None => Fact::NotificationDelivered { notification },
                Some(reason) => Fact::NotificationFailed { notification, reason: reason.clone() },
            }])
        }
        Command::SetSecret { name, environment, value } => {
            on.person("set a secret", Role::Admin)?;
            let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.to_ascii_uppercase().starts_with("GITHUB_");
            if !well_formed {
                return Err(Refusal::Invalid {
                    what: format!("secret name `{name}`"),
                    reason: "use letters, digits and `_`, not beginning with a digit or `GITHUB_`"
                        .to_owned(),
                });
            }
            Ok(vec![Fact::SecretSet {
                name: name.to_ascii_uppercase(),
                environment: environment.clone(),
                value: UserText::from(value.as_str()),
            }])
        }
        Command::RemoveSecret { name, environment } => {
            on.person("remove a secret", Role::Admin)?;
            let key = (name.to_ascii_uppercase(), environment.clone());
            if !on.project.secrets.contains_key(&key) {
                return Err(Refusal::Unknown { what: "secret", name: key.0, known: None });
            }
            Ok(vec![Fact::SecretRemoved { name: key.0, environment: key.1 }])
        }
        _ => Err(on.wrong("ask it here")),
    }
}
