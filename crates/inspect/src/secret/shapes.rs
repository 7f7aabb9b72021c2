//! The shapes that services give their tokens.

use serde_json::Value;

use super::{INCOMPLETE, Problem, WRONG_KIND};

/// What a value is by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GithubClassic,
    GithubFineGrained,
    /// Of an app's installation, or of a job: it ends after an hour.
    GithubInstallation,
    /// Of a person through an app.
    GithubOauth,
    GithubRefresh,
    TerraformCloud,
    Vault,
    VaultBatch,
    VaultRecovery,
    AwsKeyId,
    /// It works only beside a session token, for some hours.
    AwsTemporaryKeyId,
    SlackBot,
    SlackUser,
    SlackApp,
    SlackWebhook,
    PrivateKey,
    StripeLive,
    Npm,
    GoogleApiKey,
    AzureConnection,
    /// 32 hexadecimal digits.
    Hex32,
    /// 40 hexadecimal digits.
    Hex40,
    Uuid,
    Json,
}

impl Kind {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::GithubClassic => "a classic GitHub personal access token",
            Self::GithubFineGrained => "a fine-grained GitHub personal access token",
            Self::GithubInstallation => {
                "a token of a GitHub app's installation, which ends after an hour"
            }
            Self::GithubOauth => "a GitHub OAuth token of a person",
            Self::GithubRefresh => "a GitHub refresh token",
            Self::TerraformCloud => "a Terraform Cloud token",
            Self::Vault => "a Vault service token",
            Self::VaultBatch => "a Vault batch token, which cannot be renewed",
            Self::VaultRecovery => "a Vault recovery token",
            Self::AwsKeyId => "the id of an AWS access key",
            Self::AwsTemporaryKeyId => {
                "the id of a temporary AWS key, which works only with its session token"
            }
            Self::SlackBot => "a Slack bot token",
            Self::SlackUser => "a Slack user token",
            Self::SlackApp => "a Slack app-level token",
            Self::SlackWebhook => "the address of a Slack webhook",
            Self::PrivateKey => "a private key",
            Self::StripeLive => "a live Stripe key",
            Self::Npm => "an npm token",
            Self::GoogleApiKey => "a Google API key",
            Self::AzureConnection => "an Azure connection string",
            Self::Hex32 => "32 hexadecimal digits",
            Self::Hex40 => "40 hexadecimal digits",
            Self::Uuid => "a UUID",
            Self::Json => "JSON",
        }
    }
}

/// Beginning, shortest rest, kind. The rest is letters, digits and `-_.`.
const BEGINNINGS: &[(&str, usize, Kind)] = &[
    ("ghp_", 36, Kind::GithubClassic),
    ("github_pat_", 40, Kind::GithubFineGrained),
    ("ghs_", 36, Kind::GithubInstallation),
    ("gho_", 36, Kind::GithubOauth),
    ("ghu_", 36, Kind::GithubOauth),
    ("ghr_", 36, Kind::GithubRefresh),
    ("hvs.", 20, Kind::Vault),
    ("s.", 24, Kind::Vault),
    ("hvb.", 20, Kind::VaultBatch),
    ("hvr.", 20, Kind::VaultRecovery),
    ("AKIA", 16, Kind::AwsKeyId),
    ("ASIA", 16, Kind::AwsTemporaryKeyId),
    ("xoxb-", 20, Kind::SlackBot),
    ("xoxp-", 20, Kind::SlackUser),
    ("xapp-", 20, Kind::SlackApp),
    ("sk_live_", 20, Kind::StripeLive),
    ("npm_", 36, Kind::Npm),
    ("AIza", 35, Kind::GoogleApiKey),
];

/// The kind of a value, where its shape says it.
pub fn kind(value: &str) -> Option<Kind> {
    let value = value.trim();
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Some(Kind::PrivateKey);
    }
    if value.starts_with('{') && serde_json::from_str::<Value>(value).is_ok() {
        return Some(Kind::Json);
    }
    if value.starts_with("https://hooks.slack.com/services/") {
        return Some(Kind::SlackWebhook);
    }
    if value.contains("AccountKey=") || value.contains("SharedAccessKey=") {
        return Some(Kind::AzureConnection);
    }
    if is_terraform_cloud(value) {
        return Some(Kind::TerraformCloud);
    }
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let begun = BEGINNINGS.iter().find(|(begin, rest, _)| {
        value.strip_prefix(begin).is_some_and(|after| after.len() >= *rest && plain(after))
    });
    if let Some((_, _, kind)) = begun {
        return Some(*kind);
    }
    let is_hex = value.chars().all(|c| c.is_ascii_hexdigit());
    match value.len() {
        32 if is_hex => Some(Kind::Hex32),
        40 if is_hex => Some(Kind::Hex40),
        36 if is_uuid(value) => Some(Kind::Uuid),
        _ => None,
    }
}

fn is_terraform_cloud(value: &str) -> bool {
    let parts = value.split_once(".atlasv1.");
    parts.is_some_and(|(id, rest)| {
        id.len() == 14 && rest.len() >= 60 && rest.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

fn is_uuid(value: &str) -> bool {
    let lengths = value.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && value.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// A kind whose value in a file is a secret given away.
pub(crate) fn committed(word: &str) -> Option<Kind> {
    let kind = kind(word)?;
    let is_plain_number = matches!(kind, Kind::Hex32 | Kind::Hex40 | Kind::Uuid | Kind::Json);
    // `s.` begins many a word that is no token.
    let is_loose = word.starts_with("s.") || (kind == Kind::PrivateKey && !word.contains('\n'));
    let is_example = word.to_ascii_uppercase().contains("EXAMPLE") || is_monotonous(word);
    (!is_plain_number && !is_loose && !is_example).then_some(kind)
}

/// Few different characters: an example, as `ghp_xxxxxxxx`.
fn is_monotonous(word: &str) -> bool {
    let rest = word.rsplit(['_', '.', '-']).next().unwrap_or(word);
    let mut different: Vec<char> = rest.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < 5
}

/// What a name stands for, by the words in it; the kinds that fit, and what to say otherwise.
pub(super) fn misfit(name: &str, value: &str) -> Option<Problem> {
    let upper = name.to_ascii_uppercase();
    let has = |word: &str| upper.contains(word);
    let kind = kind(value);
    let wrong = |message: String, hint: &str| Some(Problem::new(&WRONG_KIND, message, hint));
    let shown = || {
        kind.map_or_else(
            || format!("{} characters of no known kind", value.chars().count()),
            |kind| kind.words().to_owned(),
        )
    };
    if upper.starts_with("AZURE_CREDENTIALS") || upper.ends_with("AZURE_CREDENTIALS") {
        return azure(name, value);
    }
    match () {
        () if (has("DD_") || has("DATADOG"))
            && has("APP")
            && has("KEY")
            && kind == Some(Kind::Hex32) =>
        {
            wrong(
                format!(
                    "{name} has 32 digits, which is a Datadog API key; an application key has 40"
                ),
                "make one in Organization Settings, Application Keys",
            )
        }
        () if (has("DD_") || has("DATADOG"))
            && has("API")
            && has("KEY")
            && kind != Some(Kind::Hex32) =>
        {
            let is_app =
                if kind == Some(Kind::Hex40) { ", which is an application key" } else { "" };
            wrong(
                format!(
                    "{name} is {}{is_app}; a Datadog API key has 32 hexadecimal digits",
                    shown()
                ),
                "make one in Organization Settings, API Keys",
            )
        }
        () if has("VAULT_TOKEN") && kind != Some(Kind::Vault) => wrong(
            format!(
                "{name} is {}; a pipeline needs a Vault service token (hvs.), better still a login by OpenID Connect",
                shown()
            ),
            "vault token create -policy=NAME -period=24h",
        ),
        () if has("VAULT_ADDR") => address(name, value),
        () if is_terraform_token(&upper) && kind != Some(Kind::TerraformCloud) => wrong(
            format!("{name} is {}; a Terraform Cloud token holds `.atlasv1.`", shown()),
            "make a team or user token: an organisation's token can make workspaces, but neither plan nor apply",
        ),
        () if is_github_token(&upper)
            && !matches!(kind, Some(Kind::GithubClassic | Kind::GithubFineGrained)) =>
        {
            wrong(
                format!("{name} is {}; what is kept as a secret must outlast the hour", shown()),
                "make a fine-grained personal access token, or let the job make one with the app's key",
            )
        }
        () if upper.ends_with("AWS_ACCESS_KEY_ID") && kind != Some(Kind::AwsKeyId) => wrong(
            format!("{name} is {}; the id of an access key begins with AKIA", shown()),
            "take the id of a lasting access key, or log in by OpenID Connect",
        ),
        () if upper.ends_with("AWS_SECRET_ACCESS_KEY")
            && (value.len() != 40 || kind == Some(Kind::AwsKeyId)) =>
        {
            wrong(
                format!("{name} has {} characters; the secret of an AWS key has 40", value.len()),
                "take the secret that was shown beside the id",
            )
        }
        () if has("SLACK") && has("WEBHOOK") && kind != Some(Kind::SlackWebhook) => wrong(
            format!(
                "{name} is {}; a Slack webhook is an address at hooks.slack.com/services/",
                shown()
            ),
            "make an incoming webhook in the Slack app's settings",
        ),
        () if has("SLACK") && has("BOT") && kind != Some(Kind::SlackBot) => wrong(
            format!("{name} is {}; a bot's token begins with xoxb-", shown()),
            "take the Bot User OAuth Token of the Slack app",
        ),
        () if has("CODECOV") && has("TOKEN") && kind != Some(Kind::Uuid) => wrong(
            format!("{name} is {}; a Codecov upload token is a UUID", shown()),
            "take the upload token in the repository's settings at Codecov",
        ),
        () if upper.ends_with("DATABASE_URL") && !value.contains("://") => wrong(
            format!("{name} is no address: it has no `://`"),
            "write postgres://USER:PASSWORD@HOST/DATABASE",
        ),
        () if upper == "KUBECONFIG" || upper.ends_with("KUBE_CONFIG") => kubeconfig(name, value),
        () => None,
    }
}

fn is_terraform_token(upper: &str) -> bool {
    let names = [
        "TF_API_TOKEN",
        "TFC_TOKEN",
        "TFE_TOKEN",
        "TERRAFORM_TOKEN",
        "TF_CLOUD_TOKEN",
        "TERRAFORM_CLOUD_TOKEN",
        "TFC_API_TOKEN",
    ];
    names.iter().any(|name| upper.ends_with(name)) || upper.starts_with("TF_TOKEN_")
}

fn is_github_token(upper: &str) -> bool {
    let names =
        ["GH_TOKEN", "GH_PAT", "GITHUB_PAT", "GITHUB_ACCESS_TOKEN", "PERSONAL_ACCESS_TOKEN"];
    names.iter().any(|name| upper.ends_with(name))
}

fn azure(name: &str, value: &str) -> Option<Problem> {
    let hint = "az ad sp create-for-rbac --name NAME --role contributor --scopes /subscriptions/ID --json-auth";
    let Ok(json) = serde_json::from_str::<Value>(value) else {
        return Some(Problem::new(
            &INCOMPLETE,
            format!("{name} is no JSON, and azure/login reads it as JSON"),
            hint,
        ));
    };
    let fields = ["clientId", "clientSecret", "subscriptionId", "tenantId"];
    let absent: Vec<&str> =
        fields.into_iter().filter(|field| json[field].as_str().is_none_or(str::is_empty)).collect();
    if !absent.is_empty() {
        return Some(Problem::new(
            &INCOMPLETE,
            format!("{name} lacks {}", absent.join(", ")),
            hint,
        ));
    }
    let no_uuid = ["clientId", "subscriptionId", "tenantId"]
        .into_iter()
        .find(|field| !json[field].as_str().is_some_and(is_uuid));
    no_uuid.map(|field| Problem::new(&INCOMPLETE, format!("{field} in {name} is no UUID"), hint))
}

fn address(name: &str, value: &str) -> Option<Problem> {
    let hint = "write it as https://HOST:8200";
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    match rest {
        None => Some(Problem::new(
            &WRONG_KIND,
            format!("{name} is no address: it does not begin with https://"),
            hint,
        )),
        Some(rest) if rest.contains("/v1") => Some(Problem::new(
            &WRONG_KIND,
            format!("{name} ends in /v1, which clients add by themselves"),
            hint,
        )),
        Some(_) => None,
    }
}

fn kubeconfig(name: &str, value: &str) -> Option<Problem> {
    let is_yaml = value.contains("clusters:") && value.contains("users:");
    let is_encoded = value.len() > 100
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "+/=\n\r".contains(c));
    if is_yaml && value.contains("exec:") && value.contains("kubelogin") {
        let message = format!("{name} logs in through kubelogin, which asks a person");
        return Some(Problem::new(
            &WRONG_KIND,
            message,
            "kubelogin convert-kubeconfig -l spn, or az aks get-credentials --admin",
        ));
    }
    let message = format!("{name} is no kubeconfig: it has neither clusters nor users");
    (!is_yaml && !is_encoded).then(|| {
        Problem::new(&WRONG_KIND, message, "az aks get-credentials --file - .. prints one")
    })
}
