//! The platform's own stream: people, tokens, projects, and who may change them.

use qnt9_engine::{State, step};
use qnt9_model::{Actor, Ask, AttemptId, Command, Person, Refusal, Role, RunId, StreamId};

use crate::world::{RULES, START, World};

fn ask(state: &mut State, by: Actor, command: Command) -> Result<usize, Refusal> {
    let ask = Ask { stream: StreamId::platform(), by, command };
    step(state, &ask, START).map(|entries| entries.len())
}

fn tell(state: &mut State, command: Command) -> Result<usize, Refusal> {
    ask(state, Actor::Platform, command)
}

fn person(name: &str, role: Role) -> Command {
    let person =
        Person { name: name.to_owned(), email: format!("{name}@example.com"), role, demo: false };
    Command::AddPerson { person }
}

fn token(person: &str, digest: &str) -> Command {
    let (person, digest) = (person.to_owned(), digest.to_owned());
    Command::IssueToken { person, digest, label: "laptop".to_owned() }
}

fn project(name: &str, embedded: bool, time_scale: u32) -> Command {
    let default_branch = "main".to_owned();
    Command::CreateProject { project: name.into(), embedded, time_scale, default_branch }
}

#[test]
fn who_is_known_is_added_once_and_never_overwritten() {
    let mut state = State::default();
    assert_eq!(tell(&mut state, person("ada", Role::Admin)), Ok(1));
    assert_eq!(tell(&mut state, person("ada", Role::Admin)), Ok(0), "told twice, known once");
    let other = tell(&mut state, person("ada", Role::Viewer)).unwrap_err().to_string();
    assert!(other.contains("ada@example.com, admin"), "{other}");
    assert_eq!(state.platform.people["ada"].role, Role::Admin);
}

#[test]
fn only_admins_change_people_tokens_and_projects() {
    let mut state = World::new(RULES).state;
    for (name, may) in [("ada", true), ("alice", false), ("dev", false), ("vera", false)] {
        let by = Actor::Person { name: name.to_owned(), demo: false };
        let answer = ask(&mut state, by, person(&format!("friend-of-{name}"), Role::Viewer));
        assert_eq!(answer.is_ok(), may, "{name}: {answer:?}");
        assert_eq!(state.platform.people.contains_key(&format!("friend-of-{name}")), may);
    }
    let job = Actor::Job(AttemptId { run: RunId(1), job: "a".into(), attempt: 1 });
    assert!(matches!(ask(&mut state, job, token("dev", "0a")), Err(Refusal::WrongActor { .. })));
    let nobody = Actor::Person { name: "nobody".to_owned(), demo: false };
    assert!(matches!(ask(&mut state, nobody, token("dev", "0a")), Err(Refusal::Unknown { .. })));
    assert!(state.platform.tokens.is_empty());
}

#[test]
fn a_token_is_there_from_its_issue_to_its_end() {
    let mut state = World::new(RULES).state;
    assert_eq!(tell(&mut state, token("dev", "0a")), Ok(1));
    assert_eq!(tell(&mut state, token("dev", "0b")), Ok(1));
    assert_eq!(tell(&mut state, token("dev", "0a")), Ok(0), "told twice, issued once");
    assert_eq!(state.platform.tokens["0a"].person, "dev");
    assert_eq!(state.platform.tokens["0a"].label, "laptop");
    assert!(tell(&mut state, token("nobody", "0c")).is_err());
    let revoke = |digest: &str| Command::RevokeToken { digest: digest.to_owned() };
    assert_eq!(tell(&mut state, revoke("0a")), Ok(1));
    assert_eq!(tell(&mut state, revoke("0a")), Ok(0), "it is gone already");
    let left: Vec<&String> = state.platform.tokens.keys().collect();
    assert_eq!(left, ["0b"]);
}

#[test]
fn names_of_projects_are_safe_in_paths_and_addresses() {
    let long = "x".repeat(100);
    let too_long = "x".repeat(101);
    let names = [
        ("shop", true),
        ("7", true),
        ("Shop-2.old_one", true),
        (long.as_str(), true),
        (too_long.as_str(), false),
        ("", false),
        (".hidden", false),
        ("-f", false),
        ("_x", false),
        ("a/b", false),
        ("a b", false),
        ("a\u{e4}", false),
        ("..", false),
        ("platform", false),
    ];
    for (name, fine) in names {
        let mut state = State::default();
        let answer = tell(&mut state, project(name, false, 1));
        assert_eq!(answer.is_ok(), fine, "{name}: {answer:?}");
        assert_eq!(state.projects.len(), usize::from(fine), "{name}");
    }
}

#[test]
fn a_project_is_created_once_and_as_it_was_asked_for() {
    let mut state = State::default();
    assert_eq!(tell(&mut state, project("demo", true, 60)), Ok(1));
    assert_eq!(tell(&mut state, project("demo", true, 60)), Ok(0), "told twice, created once");
    for other in [project("demo", true, 30), project("demo", false, 1)] {
        let refusal = tell(&mut state, other).unwrap_err();
        assert!(matches!(refusal, Refusal::Exists { .. }), "{refusal}");
    }
    assert_eq!(state.projects[&StreamId::from("demo")].time_scale, 60);
    // Declared waits are as long as they say everywhere but in an example.
    assert!(matches!(
        tell(&mut state, project("real", false, 60)),
        Err(Refusal::OnlyEmbedded { .. })
    ));
    assert!(matches!(tell(&mut state, project("none", true, 0)), Err(Refusal::Invalid { .. })));
    assert_eq!(state.projects.len(), 1);
}

#[test]
fn the_platform_has_no_runs_and_nothing_to_do_by_itself() {
    let mut state = State::default();
    assert_eq!(tell(&mut state, Command::Tick), Ok(0));
    let refusal = tell(&mut state, Command::CancelRun { run: RunId(1) }).unwrap_err();
    assert!(matches!(refusal, Refusal::WrongActor { .. }), "{refusal}");
}
