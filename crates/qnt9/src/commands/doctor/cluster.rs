//! What runs: the server, and every environment's address behind the gateway.

use std::time::Duration;

use qnt9_server::api::shapes::{EnvironmentShape, Healthz};

use super::{Check, Verdict};
use crate::cli::Common;
use crate::commands::asking::Asking;
use crate::failure::Failure;

/// How long an address may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks at everything that serves.
pub(super) async fn look(common: &Common) -> Result<Vec<Check>, Failure> {
    let ask = Asking::of(common).await?;
    let health: Healthz = ask.client.get("/healthz").await?;
    let explanation =
        "The server records facts; without it nothing goes on, and what serves keeps serving.";
    let server = match &health.trouble {
        None => Check::ok(
            "cluster.server",
            format!("{} at {}", health.version, ask.client.url()),
            explanation,
        ),
        Some(trouble) => Check::ok("cluster.server", trouble.clone(), explanation).but(
            Verdict::Fail,
            "nothing can be recorded until that is mended: look at the disk and the database",
        ),
    };
    let mut checks = vec![server];
    let environments: Vec<EnvironmentShape> = ask.get("/environments").await?;
    for environment in &environments {
        for place in &environment.services {
            let serving = place.serving.is_some();
            let mut check =
                super::environment::serving(&place.service, place.url.as_deref(), serving).await;
            check.id = format!("cluster.{}.{}", environment.name, place.service);
            "cluster".clone_into(&mut check.category);
            checks.push(check);
        }
    }
    checks.push(Check::ok(
        "cluster.kubernetes",
        "not looked at: qnt9 keeps replicas on this machine, and does not speak to Kubernetes yet",
        "Clusters of Kubernetes are not reached yet; their manifests are looked at by `qnt9 doctor repo`.",
    ));
    Ok(checks)
}

/// The status that an address answers.
pub(super) async fn answers(url: &str) -> Result<u16, String> {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).build();
    let client = client.map_err(|error| error.to_string())?;
    match client.get(url).send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) if error.is_connect() => Err("nothing listens there".to_owned()),
        Err(error) if error.is_timeout() => {
            Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))
        }
        Err(error) => Err(error.to_string()),
    }
}
