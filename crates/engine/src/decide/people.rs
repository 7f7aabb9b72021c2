//! People, tokens, projects: the platform's own stream.

use qnt9_model::fact::Fact;
use qnt9_model::{Actor, Ask, Command, Refusal, Role};

use crate::state::State;

pub(super) fn decide(state: &State, ask: &Ask) -> Result<Vec<Fact>, Refusal> {
    admin_only(state, ask)?;
    let platform = &state.platform;
    match &ask.command {
        Command::Tick => Ok(Vec::new()),
        Command::AddPerson { person } => match platform.people.get(&person.name) {
            Some(known) if known == person => Ok(Vec::new()),
            Some(known) => Err(Refusal::Exists {
                what: "person",
                name: person.name.clone(),
                note: Some(format!("{}, {}", known.email, known.role)),
            }),
            None => Ok(vec![Fact::PersonAdded { person: person.clone() }]),
        },
        Command::ChangeRole { person, role } => {
            let known = known_person(state, person)?;
            if known.role == *role {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::RoleChanged { person: person.clone(), role: *role }])
        }
        Command::IssueToken { person, digest, label } => {
            known_person(state, person)?;
            if platform.tokens.contains_key(digest) {
                return Ok(Vec::new());
            }
            let (person, digest, label) = (person.clone(), digest.clone(), label.clone());
            Ok(vec![Fact::TokenIssued { person, digest, label }])
        }
        Command::RevokeToken { digest } if platform.tokens.contains_key(digest) => {
            Ok(vec![Fact::TokenRevoked { digest: digest.clone() }])
        }
        Command::RevokeToken { .. } => Ok(Vec::new()),
        Command::CreateProject { project, embedded, time_scale, default_branch } => {
            create_project(state, project, *embedded, *time_scale, default_branch)
        }
        _ => Err(Refusal::WrongActor {
            act: "ask the platform about what is in a project",
            actor: ask.by.to_string(),
        }),
    }
}

fn create_project(
    state: &State,
    project: &qnt9_model::StreamId,
    embedded: bool,
    time_scale: u32,
    default_branch: &str,
) -> Result<Vec<Fact>, Refusal> {
    let name_is_safe = project.as_str().starts_with(|c: char| c.is_ascii_alphanumeric())
        && project.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && project.as_str().len() <= 100
        && project.as_str() != qnt9_model::StreamId::PLATFORM;
    if !name_is_safe {
        return Err(Refusal::Invalid {
            what: format!("project name `{project}`"),
            reason: "use up to 100 letters, digits, `-`, `_` and `.`, beginning with a letter or \
                     digit, and not `platform`"
                .to_owned(),
        });
    }
    if time_scale != 1 && !embedded {
        return Err(Refusal::OnlyEmbedded { what: "a time scale", project: project.clone() });
    }
    if time_scale == 0 {
        return Err(Refusal::Invalid {
            what: "time scale 0".to_owned(),
            reason: "declared waits are divided by it: give 1 or more".to_owned(),
        });
    }
    match state.projects.get(project) {
        Some(known) if known.time_scale == time_scale && known.embedded == embedded => {
            Ok(Vec::new())
        }
        Some(known) => Err(Refusal::Exists {
            what: "project",
            name: project.to_string(),
            note: Some(format!("with time scale {}", known.time_scale)),
        }),
        None => Ok(vec![Fact::ProjectCreated {
            project: project.clone(),
            embedded,
            time_scale,
            default_branch: default_branch.to_owned(),
        }]),
    }
}

fn known_person<'a>(state: &'a State, name: &str) -> Result<&'a qnt9_model::Person, Refusal> {
    state.platform.people.get(name).ok_or_else(|| Refusal::Unknown {
        what: "person",
        name: name.to_owned(),
        known: Some(super::names(state.platform.people.keys())),
    })
}

fn admin_only(state: &State, ask: &Ask) -> Result<(), Refusal> {
    let act = "change people, tokens or projects";
    match &ask.by {
        Actor::Platform => Ok(()),
        Actor::Person { name, .. } => {
            let has = known_person(state, name)?.role;
            if has < Role::Admin {
                return Err(Refusal::Role { person: name.clone(), act, needed: Role::Admin, has });
            }
            Ok(())
        }
        Actor::Job(_) => Err(Refusal::WrongActor { act, actor: ask.by.to_string() }),
    }
}
