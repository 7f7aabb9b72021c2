//! Who works here.

use qnt9_model::{Person, Role};

const NAMES: [&str; 20] = [
    "ada", "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy",
    "mallory", "niaj", "olivia", "peggy", "rupert", "sybil", "trent", "victor", "walter",
];

/// The first two are admins, five are approvers, the last two only look, the others develop. One of
/// them is a person of the demonstration.
pub(crate) fn staff(team: usize) -> Vec<Person> {
    let person = |index: usize| {
        let name = match NAMES.get(index) {
            Some(name) => (*name).to_owned(),
            None => format!("person-{index}"),
        };
        let role = match index {
            0 | 7 => Role::Admin,
            1..=5 => Role::Approver,
            _ if index + 2 >= team => Role::Viewer,
            _ => Role::Developer,
        };
        let email = format!("{name}@example.com");
        Person { name, email, role, demo: index == 5 }
    };
    (0..team.max(4)).map(person).collect()
}
