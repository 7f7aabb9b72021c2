//! Secrets: what a value is by its shape, whether it fits its name, and where names are referred to.
//!
//! Nothing here keeps or shows a value.

mod references;
mod shapes;

#[cfg(test)]
mod tests;

pub use references::{Reference, ReferredBy, references};
pub(crate) use shapes::committed;
pub use shapes::{Kind, kind};

use crate::finding::{Area, Code, Severity};

/// A secret that is referred to and that nobody has set.
pub const ABSENT: Code = Code {
    id: "QX7002",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a secret that is referred to and not there",
    explanation: "`${{ secrets.NAME }}` of a secret that is not set is the empty text: no error, no warning. The step goes on with an empty token, \
                  and fails somewhere else, or worse, does not.",
    example: "env: { DD_API_KEY: \"${{ secrets.DD_API_KEY }}\" }      # qnt9 secrets list does not show it",
    fix: "qnt9 secrets set DD_API_KEY --environment production < FILE",
};

/// A secret that is set and that nothing refers to.
pub const UNUSED: Code = Code {
    id: "QX7003",
    area: Area::Secret,
    severity: Severity::Warning,
    title: "a secret that nothing refers to",
    explanation: "It is handed to jobs that do not need it, can leak, and is forgotten when it should be rotated. Or its name is misspelt on one \
                  side.",
    example: "qnt9 secrets list      # shows DATADOG_KEY; workflows use DD_API_KEY",
    fix: "qnt9 secrets rm DATADOG_KEY",
};

/// A secret of another environment only.
pub const ELSEWHERE: Code = Code {
    id: "QX7004",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a secret that is there only for other jobs",
    explanation: "The secret is set for an environment, and the job that refers to it is not one of that environment: it gets the empty text.",
    example: "deploy:      # no `environment:`; AZURE_CREDENTIALS is set for production only\n  env: { CREDS: \"${{ secrets.AZURE_CREDENTIALS }}\" }",
    fix: "deploy:\n  environment: production",
};

/// A value of another kind than its name says.
pub const WRONG_KIND: Code = Code {
    id: "QX7005",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a secret of the wrong kind",
    explanation: "The value has the shape of something else than what its name stands for: an application key in the place of an API key, a token of an \
                  hour in the place of one that lasts, an organisation's Terraform Cloud token where plans are made. The service answers 401 \
                  or 403, and says nothing of the reason.",
    example: "DD_API_KEY = 40 characters (an application key; an API key has 32)",
    fix: "Make the right kind of token at the service, and set it: qnt9 secrets set NAME",
};

/// A value that was never replaced.
pub const PLACEHOLDER: Code = Code {
    id: "QX7006",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a secret that is still a placeholder",
    explanation: "The value is the text of an example. The service it is for answers 401.",
    example: "VAULT_TOKEN = your-token",
    fix: "qnt9 secrets set VAULT_TOKEN < FILE",
};

/// A JSON value without what its reader needs.
pub const INCOMPLETE: Code = Code {
    id: "QX7007",
    area: Area::Secret,
    severity: Severity::Error,
    title: "credentials without one of their fields",
    explanation: "`azure/login` reads a JSON object with clientId, clientSecret, subscriptionId and tenantId. Newer versions of `az ad sp \
                  create-for-rbac` print other names unless they are asked with --json-auth.",
    example: "{\"appId\": \"..\", \"password\": \"..\", \"tenant\": \"..\"}",
    fix: "az ad sp create-for-rbac --name NAME --role contributor --scopes /subscriptions/ID --json-auth",
};

/// A value with white space or quotes around it.
pub const WRAPPED: Code = Code {
    id: "QX7008",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a secret with quotes or white space around it",
    explanation: "They came along when it was copied, and are part of the value: the token is another one, and is refused.",
    example: "echo '\"dd2f..\"' | qnt9 secrets set DD_API_KEY",
    fix: "printf %s \"$VALUE\" | qnt9 secrets set DD_API_KEY",
};

/// A token that a service refused.
pub const REFUSED: Code = Code {
    id: "QX7009",
    area: Area::Secret,
    severity: Severity::Error,
    title: "a token that its service does not accept",
    explanation: "The service was asked with this token, and answered that it is unknown, has expired, or may not do what the pipeline needs.",
    example: "qnt9 secrets check --values FILE --live",
    fix: "Make a new token with the rights that the pipeline needs.",
};

/// The codes of secrets' values and references.
pub(crate) const CODES: &[Code] =
    &[ABSENT, UNUSED, ELSEWHERE, WRONG_KIND, PLACEHOLDER, INCOMPLETE, WRAPPED, REFUSED];

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static Code,
    /// What is wrong, without the value.
    pub message: String,
    pub hint: String,
}

impl Problem {
    fn new(code: &'static Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

/// What can be told about a secret's value without asking anybody: `None` when nothing is wrong.
pub fn judge(name: &str, value: &str) -> Option<Problem> {
    let trimmed = value.trim();
    let is_long_text = trimmed.lines().count() > 1 || trimmed.starts_with('{');
    let is_quoted = trimmed.len() > 1
        && ['"', '\''].iter().any(|q| trimmed.starts_with(*q) && trimmed.ends_with(*q));
    if trimmed.is_empty() {
        return Some(Problem::new(&PLACEHOLDER, format!("{name} is empty"), "set its value"));
    }
    if is_placeholder(trimmed) {
        let message = format!("{name} is still the text of an example");
        return Some(Problem::new(&PLACEHOLDER, message, "set the real value"));
    }
    if is_quoted || (value != trimmed && !is_long_text) {
        let what = if is_quoted { "quotes" } else { "white space" };
        let message = format!("{name} has {what} around it, which are part of the value");
        return Some(Problem::new(
            &WRAPPED,
            message,
            format!("printf %s VALUE | qnt9 secrets set {name}"),
        ));
    }
    shapes::misfit(name, trimmed)
}

/// Whether a text is one of those that examples hold: nothing is called that.
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.len() > 200 || text.contains(char::is_whitespace) {
        // `<your token>` is the one with a space in it.
        return text.starts_with('<')
            && text.ends_with('>')
            && text.len() < 60
            && !text.contains('/');
    }
    if text.contains("${") || text.contains("{{") {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    let is_bracketed = |open: char, close: char| {
        let inner = text
            .split_once(open)
            .and_then(|(_, rest)| rest.split_once(close))
            .map(|(inner, _)| inner);
        inner.is_some_and(|inner| {
            inner.len() > 1 && inner.chars().all(|c| c.is_ascii_alphanumeric() || "-_ ".contains(c))
        })
    };
    let words = [
        "changeme",
        "change-me",
        "change_me",
        "replaceme",
        "replace-me",
        "replace_me",
        "insert-your",
        "insert_your",
        "placeholder",
    ];
    let has_your = lower.split(['/', '.', '@', ':', '=']).any(|part| {
        ["your-", "your_", "yourcompany", "yourorg", "my-org-name", "yourdomain"]
            .iter()
            .any(|word| part.starts_with(word))
    });
    let is_crosses =
        lower.len() >= 4 && lower.chars().all(|c| c == 'x' || c == '-') && lower.contains("xxx");
    is_bracketed('<', '>')
        || words.iter().any(|word| lower.contains(word))
        || has_your
        || is_crosses
        || matches!(text, "TODO" | "FIXME" | "TBD" | "...")
}
