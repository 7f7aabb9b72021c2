//! Delivers notifications: at least once, with a key by which the receiver knows a repetition.

use std::time::Duration;

use qnt9_model::{Command, NotificationId, StreamId};
use serde_json::json;

use super::OrderError;
use crate::Core;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn deliver(
    core: &Core,
    stream: &StreamId,
    id: NotificationId,
) -> Result<(), OrderError> {
    let found = core.read(|state| {
        let notification = state.projects.get(stream)?.notifications.get(&id)?;
        let url = notification.webhook.as_ref()?.show().to_owned();
        let body = json!({
            "key": format!("{stream}/{id}"),
            "project": stream,
            "title": notification.title.show(),
            "text": format!("*{}*\n{}", notification.title.show(), notification.text.show()),
            "posted": notification.posted,
        });
        Some((url, body))
    });
    let Some((url, body)) = found else { return Ok(()) };
    let failure = send(&url, &body, &format!("{stream}/{id}")).await.err();
    core.tell(stream, Command::NotificationTried { notification: id, failure }).await?;
    // A failure is a fact with the time of the next try: there is nothing to begin again before.
    Ok(())
}

async fn send(url: &str, body: &serde_json::Value, key: &str) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| format!("no http client: {error}"))?;
    let answer = client
        .post(url)
        .header("idempotency-key", key)
        .json(body)
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("the receiver answered {}", answer.status()))
    }
}
