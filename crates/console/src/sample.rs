//! A made-up project for tests and for looking at the pages: entries written by hand, applied one
//! after the other.

#[path = "sample/releases.rs"]
mod releases;
#[path = "sample/runs.rs"]
mod runs;
#[path = "sample/story.rs"]
mod story;
#[path = "sample/workflows.rs"]
mod workflows;

use qnt9_engine::State;
use qnt9_engine::apply::apply;
use qnt9_model::fact::{Commit, RefUpdate};
use qnt9_model::{
    Actor, Entry, Fact, Millis, Person, PushId, ReleaseDigest, Role, Sha, StreamId, UserText,
};

/// Tue 24 Nov 2026 05:00 UTC.
pub(crate) const START: i64 = 1_795_496_400_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// Commits of the made-up history, oldest first: sha, author, message.
const COMMITS: [(&str, &str, &str); 5] = [
    ("2c41f9e0000000000000000000000000000000a1", "dana", "Search by symbol"),
    ("7d10aa20000000000000000000000000000000a2", "carol", "Index names for search"),
    ("9f03c1a0000000000000000000000000000000a3", "dana", "Merge develop: search by WKN"),
    (
        "a41d77e0000000000000000000000000000000a4",
        "dana",
        "rank by recency <script>alert(1)</script>",
    ),
    ("b7e20d40000000000000000000000000000000a5", "carol", "Fill names in tests & fixtures"),
];

/// A state under construction.
pub(crate) struct Sample {
    /// The state so far.
    pub(crate) state: State,
    /// The moment of the next entry.
    pub(crate) now: Millis,
    /// The project.
    pub(crate) stream: StreamId,
    platform: u64,
    project: u64,
}

/// A commit by its first digits.
pub(crate) fn sha(short: &str) -> Sha {
    let found = COMMITS.iter().find(|(sha, _, _)| sha.starts_with(short));
    Sha::from(found.map_or(short, |(sha, _, _)| *sha))
}

/// The release built from a commit.
pub(crate) fn release(short: &str) -> ReleaseDigest {
    let digits: String = sha(short).0.chars().rev().chain(short.chars()).cycle().take(64).collect();
    ReleaseDigest(format!("sha256:{digits}"))
}

fn person(name: &str) -> Actor {
    Actor::Person { name: name.to_owned(), demo: true }
}

impl Sample {
    /// A project with people, rules and a history, and nothing run yet.
    pub(crate) fn new() -> Self {
        let stream = StreamId::from("qnt9-srs");
        let mut sample =
            Self { state: State::default(), now: Millis(START), stream, platform: 0, project: 0 };
        sample.people();
        sample.rules();
        sample
    }

    fn people(&mut self) {
        let people = [
            ("alice", Role::Admin),
            ("bob", Role::Approver),
            ("carol", Role::Approver),
            ("dana", Role::Developer),
        ];
        for (name, role) in people {
            let email = format!("{name}@example.org");
            let person = Person { name: name.to_owned(), email, role, demo: true };
            self.platform_fact(Fact::PersonAdded { person });
        }
        self.platform_fact(Fact::ProjectCreated {
            project: self.stream.clone(),
            embedded: true,
            time_scale: 20,
            default_branch: "main".to_owned(),
        });
    }

    fn rules(&mut self) {
        let commits = COMMITS.iter().enumerate().map(|(at, (sha, author, title))| Commit {
            sha: Sha::from(*sha),
            parents: at
                .checked_sub(1)
                .map(|before| Sha::from(COMMITS[before].0))
                .into_iter()
                .collect(),
            author: (*author).to_owned(),
            email: format!("{author}@example.org"),
            title: UserText::from(*title),
        });
        let commits = commits.collect();
        self.fact(&person("carol"), Fact::CommitsSeen { commits });
        self.push("main", None, "2c41f9e");
        let policy = workflows::policy();
        self.fact(&Actor::Platform, Fact::PolicyAdopted { commit: sha("2c41f9e"), policy });
    }

    /// Appends a fact of the platform.
    pub(crate) fn platform_fact(&mut self, fact: Fact) {
        self.platform += 1;
        let entry = Entry {
            stream: StreamId::platform(),
            sequence: self.platform,
            time: self.now,
            actor: Actor::Platform,
            fact,
        };
        apply(&mut self.state, &entry);
    }

    /// Appends a fact of the project; answers its sequence number.
    pub(crate) fn fact(&mut self, actor: &Actor, fact: Fact) -> u64 {
        self.project += 1;
        let entry = Entry {
            stream: self.stream.clone(),
            sequence: self.project,
            time: self.now,
            actor: actor.clone(),
            fact,
        };
        apply(&mut self.state, &entry);
        self.project
    }

    fn by_machine(&mut self, fact: Fact) -> u64 {
        self.fact(&Actor::Platform, fact)
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
    }

    /// Moves a branch.
    pub(crate) fn push(&mut self, branch: &str, old: Option<&str>, new: &str) {
        let reference = format!("refs/heads/{branch}");
        let update = RefUpdate { reference, old: old.map(sha), new: Some(sha(new)) };
        let by = "dana".to_owned();
        let updates = vec![update.clone()];
        let push = self.fact(&person("dana"), Fact::PushOffered { by, updates });
        self.by_machine(Fact::PushSettled { push: PushId(push), moved: vec![update] });
    }
}
