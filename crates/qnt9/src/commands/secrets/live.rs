//! Tries tokens at the services they are for: by one question each that changes nothing.

use std::time::Duration;

use qnt9_inspect::secret::{Kind, REFUSED, WRONG_KIND, kind};
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::check::{Compared, refused};

/// How long a service may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// One question to a service.
struct Question {
    service: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
}

/// Asks about every token whose service is known; what is well says nothing.
pub(super) async fn ask(values: &[(String, String)]) -> Vec<Compared> {
    let mut found = Vec::new();
    let Ok(client) = Client::builder().timeout(ANSWER_TIMEOUT).user_agent("qnt9").build() else {
        return found;
    };
    for (name, value) in values {
        let Some(question) = question(name, value, values) else { continue };
        found.extend(answer(&client, name, &question).await);
    }
    found
}

fn value<'a>(values: &'a [(String, String)], name: &str) -> Option<&'a str> {
    values.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim_end_matches('/'))
}

/// The question for a token: which service it is for is told by its shape, then by its name.
fn question(name: &str, token: &str, values: &[(String, String)]) -> Option<Question> {
    let upper = name.to_ascii_uppercase();
    let bearer = || vec![("authorization", format!("Bearer {token}"))];
    let at = |names: &[&str], usual: &str| {
        names.iter().find_map(|name| value(values, name)).unwrap_or(usual).to_owned()
    };
    Some(match kind(token) {
        Some(Kind::TerraformCloud) => Question {
            service: "Terraform Cloud",
            url: format!(
                "{}/api/v2/account/details",
                at(&["TFE_ADDRESS"], "https://app.terraform.io")
            ),
            headers: bearer(),
        },
        Some(Kind::GithubClassic | Kind::GithubFineGrained) => Question {
            service: "GitHub",
            url: format!("{}/user", at(&["GITHUB_API_URL"], "https://api.github.com")),
            headers: bearer(),
        },
        Some(Kind::Vault) => {
            let mut headers = vec![("x-vault-token", token.to_owned())];
            headers.extend(
                value(values, "VAULT_NAMESPACE").map(|name| ("x-vault-namespace", name.to_owned())),
            );
            let url = format!("{}/v1/auth/token/lookup-self", value(values, "VAULT_ADDR")?);
            Question { service: "Vault", url, headers }
        }
        _ if upper.ends_with("DD_API_KEY") || upper.ends_with("DATADOG_API_KEY") => {
            let site = value(values, "DD_SITE").unwrap_or("datadoghq.com");
            let usual = format!("https://api.{site}");
            Question {
                service: "Datadog",
                url: format!("{}/api/v1/validate", at(&["DD_URL"], &usual)),
                headers: vec![("dd-api-key", token.to_owned())],
            }
        }
        _ => return None,
    })
}

async fn answer(client: &Client, name: &str, question: &Question) -> Option<Compared> {
    let mut request = client.get(&question.url);
    for (header, value) in &question.headers {
        request = request.header(*header, value);
    }
    let service = question.service;
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            // The address is shown, the token is not: it stands in a header.
            let message =
                format!("{service} could not be asked at {}: {}", question.url, reason(&error));
            return Some(refused(
                &REFUSED,
                name,
                message,
                "try again where the service can be reached".to_owned(),
            ));
        }
    };
    let status = response.status();
    if status.is_success() {
        let body: Value = response.json().await.unwrap_or_default();
        return misfit(service, name, &body);
    }
    let why = match status {
        StatusCode::UNAUTHORIZED => "it is unknown, or has expired",
        StatusCode::FORBIDDEN => "it may not even ask about itself",
        StatusCode::NOT_FOUND if service == "Terraform Cloud" => {
            "it belongs to nobody who could plan or apply"
        }
        _ => "see its status page",
    };
    let message = format!("{service} answered {status}: {why}");
    Some(refused(&REFUSED, name, message, format!("make a new token at {service}, and set it")))
}

fn reason(error: &reqwest::Error) -> &'static str {
    match () {
        () if error.is_timeout() => "no answer in time",
        () if error.is_connect() => "no connection",
        () => "the answer broke off",
    }
}

/// A token that works, and not for what a pipeline does.
fn misfit(service: &str, name: &str, body: &Value) -> Option<Compared> {
    let user = body["data"]["attributes"]["username"].as_str().unwrap_or_default();
    if service == "Terraform Cloud" && user.starts_with("api-org-") {
        let message =
            "it is an organisation's token, which makes workspaces and can neither plan nor apply"
                .to_owned();
        let hint = "make a team token (Settings, Teams), or a user token".to_owned();
        return Some(refused(&WRONG_KIND, name, message, hint));
    }
    if service == "Vault" {
        let is_root = body["data"]["policies"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == "root"));
        let hour = body["data"]["ttl"].as_u64().is_some_and(|ttl| ttl > 0 && ttl < 3600);
        let lasts = body["data"]["renewable"].as_bool() == Some(true);
        if is_root {
            let message =
                "it is Vault's root token, which may do everything and never ends".to_owned();
            return Some(refused(
                &WRONG_KIND,
                name,
                message,
                "vault token create -policy=NAME -period=24h".to_owned(),
            ));
        }
        if hour && !lasts {
            let message = "it ends within the hour and cannot be renewed".to_owned();
            return Some(refused(
                &WRONG_KIND,
                name,
                message,
                "vault token create -policy=NAME -period=24h".to_owned(),
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers like the services, each on its own path.
    async fn services() -> String {
        use axum::routing::get;
        let account = || async {
            axum::Json(serde_json::json!({"data": {"attributes": {"username": "api-org-acme-x"}}}))
        };
        let token = || async { axum::Json(serde_json::json!({"data": {"policies": ["root"]}})) };
        let router = axum::Router::new()
            .route("/api/v2/account/details", get(account))
            .route("/v1/auth/token/lookup-self", get(token))
            .route("/user", get(|| async { StatusCode::UNAUTHORIZED }))
            .route(
                "/api/v1/validate",
                get(|| async { axum::Json(serde_json::json!({"valid": true})) }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn services_tell_what_a_shape_cannot() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = services().await;
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let values = [
            own("TFE_ADDRESS", &url),
            own("GITHUB_API_URL", &url),
            own("VAULT_ADDR", &url),
            own("DD_URL", &url),
            own("TF_API_TOKEN", &format!("Abcdefgh123456.atlasv1.{}", "aB3".repeat(22))),
            own("GH_TOKEN", &format!("ghp_{}", "aB3".repeat(12))),
            own("VAULT_TOKEN", &format!("hvs.{}", "aB3".repeat(10))),
            own("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
        ];
        let found = ask(&values).await;
        let seen: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.code.unwrap())).collect();
        assert_eq!(
            seen,
            [("TF_API_TOKEN", "QX7005"), ("GH_TOKEN", "QX7009"), ("VAULT_TOKEN", "QX7005")]
        );
        assert!(found[0].message.contains("organisation"), "{}", found[0].message);
        assert!(!format!("{found:?}").contains("aB3aB3"), "no token is shown");
    }
}
