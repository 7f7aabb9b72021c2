//! Who asks, and whether they may touch states of this project at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, header};
use qnt9_model::{Role, StreamId};

use super::answer::Failure;
use super::{StateServer, Subject, WORKSPACE_NAME_BYTES_MAX};

impl StateServer {
    /// A state holds secrets, so that even reading one takes more than a viewer.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        project: String,
        workspace: String,
    ) -> Result<Subject, Failure> {
        let project = StreamId(project);
        let token = token(headers).ok_or_else(|| Failure::unauthorized("no token was given"))?;
        let identity = self.door.who(&token);
        let identity = identity.ok_or_else(|| Failure::unauthorized("this token is not known"))?;
        let elsewhere = identity.project.as_ref().is_some_and(|bound| *bound != project);
        if elsewhere || !self.door.has_project(&project) {
            let text = format!("{} has no access to a project `{project}`", identity.actor);
            return Err(Failure::forbidden(text));
        }
        if identity.role < Role::Developer {
            let (actor, has) = (&identity.actor, identity.role);
            let text = format!(
                "{actor} cannot use Terraform states, which hold secrets: it needs the role {}, and {actor} is {has}",
                Role::Developer
            );
            return Err(Failure::forbidden(text));
        }
        if !is_workspace_name(&workspace) {
            let text = format!(
                "`{workspace}` cannot be the name of a workspace: use letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most {WORKSPACE_NAME_BYTES_MAX}"
            );
            return Err(Failure::bad(text));
        }
        Ok(Subject { project, workspace, actor: identity.actor })
    }
}

/// The token: the password of basic authentication under whatever user name, or a bearer token.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(credentials.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

fn is_workspace_name(text: &str) -> bool {
    text.len() <= WORKSPACE_NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
