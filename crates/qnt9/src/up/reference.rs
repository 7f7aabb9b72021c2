//! The embedded reference system and the people of its demonstration.

use qnt9_model::{Person, Role};
use qnt9_runner::git::{NewFile, Signature};

/// Path, content, and whether it may be executed.
type EmbeddedFile = (&'static str, &'static [u8], bool);

const FILES: &[EmbeddedFile] = include!(concat!(env!("OUT_DIR"), "/reference.rs"));

/// The project's name.
pub const PROJECT: &str = "qnt9-srs";
/// Its default branch.
pub const DEFAULT_BRANCH: &str = "main";
/// By what its declared waits are divided unless the command line says otherwise.
pub const TIME_SCALE: u32 = 20;
/// The change that the second delivery brings: visible and harmless.
pub const GOOD_PATCH: &[u8] = include_bytes!("../../../../qnt9-srs/demo/good.patch");
/// The change that fails in production, and only there.
pub const BAD_PATCH: &[u8] = include_bytes!("../../../../qnt9-srs/demo/bad.patch");
/// Whoever writes the demonstration's commits.
pub const AUTHOR: &str = "dana";
/// Whoever dispatches to production.
pub const DISPATCHER: &str = "carol";
/// Those who approve.
pub const APPROVERS: [&str; 2] = ["alice", "bob"];

/// The files of the first commit.
pub fn files() -> Vec<NewFile> {
    let file = |(path, content, executable): &EmbeddedFile| NewFile {
        path: (*path).to_owned(),
        content: content.to_vec(),
        executable: *executable,
    };
    FILES.iter().map(file).collect()
}

/// One embedded file as text.
pub fn text(path: &str) -> Option<&'static str> {
    let (_, content, _) = FILES.iter().find(|(known, ..)| *known == path)?;
    std::str::from_utf8(content).ok()
}

/// The demonstration's people.
pub fn people() -> Vec<Person> {
    let person = |name: &str, role: Role| Person {
        name: name.to_owned(),
        email: email(name),
        role,
        demo: true,
    };
    vec![
        person("alice", Role::Approver),
        person("bob", Role::Approver),
        person(DISPATCHER, Role::Approver),
        person(AUTHOR, Role::Developer),
    ]
}

fn email(name: &str) -> String {
    format!("{name}@{PROJECT}.example")
}

/// A signature of one of the people.
pub fn signature(name: &str, at_s: i64) -> Signature {
    let mut letters = name.chars();
    let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    Signature { name: format!("{capital}{}", letters.as_str()), email: email(name), at: at_s }
}
