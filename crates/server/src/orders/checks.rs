//! Puts questions to checks: at least once, with a key by which the receiver knows a repetition, and
//! signed as GitHub signs its webhooks.
//!
//! The answer comes later, to `callback_url` with `callback_token`; a receiver's own answer to the
//! question says only that it was received.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use qnt9_engine::state::{Check, Project};
use qnt9_model::{CheckId, Command, StreamId};
use serde_json::{Value, json};
use sha2::Sha256;

use super::OrderError;
use crate::Core;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

struct Question {
    url: String,
    body: Value,
    key: String,
    /// What signs it; the error says which secret is missing.
    secret: Result<Option<String>, String>,
}

pub(super) async fn ask(core: &Core, stream: &StreamId, id: CheckId) -> Result<(), OrderError> {
    let found = core.read(|state| {
        let project = state.projects.get(stream)?;
        question(core, stream, project, project.check(id)?)
    });
    let Some(question) = found else { return Ok(()) };
    let failure = send(&question).await.err();
    core.tell(stream, Command::CheckTried { check: id, failure }).await?;
    // A failure is a fact with the time of the next try: there is nothing to begin again before.
    Ok(())
}

fn question(core: &Core, stream: &StreamId, project: &Project, check: &Check) -> Option<Question> {
    let (run, job) = project.checks.get(&check.id)?;
    let run = project.runs.get(run)?;
    let leg = run.legs.get(job)?;
    let body = json!({
        "key": format!("{stream}/{}", check.id),
        "check": check.name,
        "project": stream,
        "environment": leg.leg.environment,
        "run": run.id,
        "job": job,
        "title": run.title.show(),
        "ref": run.reference,
        "commit": run.commit,
        "by": run.cause.by(),
        "release": check.subjects.release,
        "plan": check.subjects.plan,
        "until": check.until,
        "callback_url": format!("{}/api/v1/projects/{stream}/checks/{}", core.url(), check.id),
        "callback_token": core.check_token(stream, check.id),
    });
    let secret = check.secret.as_ref().map(|name| {
        let value = project.secrets.get(&(name.to_ascii_uppercase(), None));
        let set = format!("`qnt9 secrets set {name}`");
        let missing = || format!("the secret {name} that signs it is not set; set it with {set}");
        value.map(|value| value.show().to_owned()).ok_or_else(missing)
    });
    let key = format!("{stream}/{}", check.id);
    Some(Question { url: check.url.clone(), body, key, secret: secret.transpose() })
}

async fn send(question: &Question) -> Result<(), String> {
    let secret = question.secret.as_ref().map_err(Clone::clone)?;
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| format!("no http client: {error}"))?;
    let body = question.body.to_string();
    let mut request = client
        .post(&question.url)
        .header("content-type", "application/json")
        .header("x-qnt9-event", "check")
        .header("idempotency-key", &question.key);
    if let Some(secret) = secret {
        request = request.header("x-hub-signature-256", signature(secret, body.as_bytes()));
    }
    let answer =
        request.body(body).send().await.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("the receiver answered {}", answer.status()))
    }
}

/// `sha256=` and the HMAC of the body in hexadecimal, as GitHub writes it.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("an HMAC takes a key of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn it_is_signed_as_github_does() {
        // The example of GitHub's documentation on validating webhook deliveries.
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
