//! People, tokens, projects: the platform's own stream.

use qnt9_model::Fact;

use crate::state::{State, Token};

pub(super) fn platform(state: &mut State, fact: &Fact) {
    let platform = &mut state.platform;
    match fact {
        Fact::PersonAdded { person } => {
            platform.people.insert(person.name.clone(), person.clone());
        }
        Fact::RoleChanged { person, role } => {
            if let Some(person) = platform.people.get_mut(person) {
                person.role = *role;
            }
        }
        Fact::TokenIssued { person, digest, label } => {
            let token = Token { person: person.clone(), label: label.clone() };
            platform.tokens.insert(digest.clone(), token);
        }
        Fact::TokenRevoked { digest } => {
            platform.tokens.remove(digest);
        }
        Fact::ProjectCreated { project, embedded, time_scale, default_branch } => {
            let project = state.projects.entry(project.clone()).or_default();
            project.embedded = *embedded;
            project.time_scale = *time_scale;
            project.default_branch.clone_from(default_branch);
        }
        _ => {}
    }
}
