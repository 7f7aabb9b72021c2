//! What every page is made from.

use qnt9_engine::State;
use qnt9_engine::state::{Platform, Project};
use qnt9_model::{Millis, Role, StreamId};

use crate::past::Then;
use crate::text;
use crate::time::Clock;

/// One look at one project by one visitor at one moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The whole state.
    pub state: &'a State,
    /// The project's name.
    pub stream: &'a StreamId,
    /// The project.
    pub project: &'a Project,
    /// Now, and the zone in which moments are written.
    pub clock: &'a Clock,
    /// Who looks.
    pub visitor: &'a Visitor,
    /// Why nothing can be recorded at the moment.
    pub trouble: Option<&'a str>,
    /// The earlier moment that the state is of; `None` for now.
    pub past: Option<&'a Then>,
}

impl<'a> View<'a> {
    /// The view of a project, if there is one of that name.
    #[must_use]
    pub fn of(
        state: &'a State,
        stream: &StreamId,
        clock: &'a Clock,
        visitor: &'a Visitor,
        trouble: Option<&'a str>,
    ) -> Option<Self> {
        let (stream, project) = state.projects.get_key_value(stream)?;
        Some(Self { state, stream, project, clock, visitor, trouble, past: None })
    }

    /// The same of a state that is an earlier moment's.
    #[must_use]
    pub fn then(self, then: &'a Then) -> Self {
        Self { past: Some(then), ..self }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now
    }

    /// The text with a capital at its head, unless it begins with somebody's name.
    #[must_use]
    pub fn sentence(&self, text: &str) -> String {
        let first = text.split_whitespace().next().unwrap_or_default();
        if self.state.platform.people.contains_key(first) {
            return text.to_owned();
        }
        text::capital(text)
    }

    /// People and tokens.
    #[must_use]
    pub fn platform(&self) -> &'a Platform {
        &self.state.platform
    }
}

/// Who looks at a page.
#[derive(Default)]
pub struct Visitor {
    /// The person, if they signed in.
    pub person: Option<SignedIn>,
    /// The page they are on, to come back to after signing in.
    pub here: String,
}

/// A person with a session.
pub struct SignedIn {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they are one of the demo's people.
    pub demo: bool,
    /// The proof that a form which posts to this path was made for this session.
    pub csrf: Box<dyn Fn(&str) -> String + Send + Sync>,
}

impl Visitor {
    /// The name, if signed in.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.person.as_ref().map(|person| person.name.as_str())
    }
}
