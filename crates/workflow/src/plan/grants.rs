//! What a token may do, scope by scope, and whether one asks for more than another allows.

use crate::language::{Token, TokenKind};
use crate::workflow::Access;

/// Every scope, in the order in which GitHub compares them.
pub(crate) const SCOPES: [&str; 17] = [
    "actions",
    "artifact-metadata",
    "attestations",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "issues",
    "packages",
    "pages",
    "pull-requests",
    "repository-projects",
    "statuses",
    "security-events",
    "id-token",
    "models",
    "vulnerability-alerts",
];

/// The scopes that `read-all` and `write-all` do not stand for: they came later, and GitHub grants
/// them by name alone.
const BY_NAME_ALONE: [&str; 4] =
    ["artifact-metadata", "attestations", "models", "vulnerability-alerts"];

/// The access to each of [`SCOPES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants([Access; SCOPES.len()]);

/// What the token of a job may do when no `permissions:` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultPermissions {
    /// GitHub's default today: read the contents and packages.
    Read,
    /// Write everything, as repositories of old are set up.
    Write,
}

/// A scope of which more is asked for than is allowed.
pub(super) struct Violation {
    scope: &'static str,
    asked: Access,
    allowed: Access,
}

impl Grants {
    pub fn access(&self, scope: &str) -> Access {
        let at = SCOPES.iter().position(|known| *known == scope);
        at.map_or(Access::None, |at| self.0[at])
    }

    /// The scopes with any access.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Access)> + '_ {
        let scopes = SCOPES.iter().copied().zip(self.0);
        scopes.filter(|(_, access)| *access != Access::None)
    }

    /// What a `permissions:` says that the grammar has let through.
    pub(crate) fn of(token: &Token) -> Self {
        if let TokenKind::String(all) = &token.kind {
            return Self::all(if all == "write-all" { Access::Write } else { Access::Read });
        }
        let mut grants = Self([Access::None; SCOPES.len()]);
        for (scope, access) in token.entries() {
            let access = match access.as_str() {
                Some("read") => Access::Read,
                Some("write") => Access::Write,
                _ => Access::None,
            };
            if let Some(at) = SCOPES.iter().position(|known| scope.as_str() == Some(known)) {
                grants.0[at] = access;
            }
        }
        grants
    }

    fn all(access: Access) -> Self {
        Self(SCOPES.map(|scope| if BY_NAME_ALONE.contains(&scope) { Access::None } else { access }))
    }

    /// What jobs get without a `permissions:`. Another repository's workflow gets no identity token.
    pub(super) fn by_default(policy: DefaultPermissions, is_same_repository: bool) -> Self {
        match policy {
            DefaultPermissions::Read => Self(SCOPES.map(|scope| match scope {
                "contents" | "packages" => Access::Read,
                _ => Access::None,
            })),
            DefaultPermissions::Write => {
                let all = Self::all(Access::Write);
                Self(SCOPES.map(|scope| match scope {
                    "id-token" if !is_same_repository => Access::None,
                    _ => all.access(scope),
                }))
            }
        }
    }

    /// The scopes of which more is asked for than `allowed` has.
    pub(super) fn beyond(&self, allowed: &Self) -> Vec<Violation> {
        let scopes = SCOPES.iter().zip(self.0.iter().zip(allowed.0));
        scopes
            .filter(|(_, (asked, allowed))| *asked > allowed)
            .map(|(scope, (asked, allowed))| Violation { scope, asked: *asked, allowed })
            .collect()
    }
}

/// `actions: write, checks: write` and `actions: none, checks: read`.
pub(super) fn described(violations: &[Violation]) -> (String, String) {
    let list = |access: fn(&Violation) -> Access| {
        let parts: Vec<String> = violations
            .iter()
            .map(|violation| format!("{}: {}", violation.scope, level(access(violation))))
            .collect();
        parts.join(", ")
    };
    (list(|violation| violation.asked), list(|violation| violation.allowed))
}

/// How a `permissions:` says it.
pub(crate) fn level(access: Access) -> &'static str {
    match access {
        Access::None => "none",
        Access::Read => "read",
        Access::Write => "write",
    }
}
