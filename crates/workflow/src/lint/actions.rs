//! What actions take and give: well-known ones from a table, those of the repository from their files.

use std::sync::LazyLock;

use super::Walk;
use super::codes;
use super::types::Type;
use crate::language::Token;
use crate::nearest::nearest;
use crate::plan::{Options, read_action};
use crate::value::equals_ignoring_case;

/// Takes a path of the repository to the text of the file, if there is one.
pub(super) type Files<'a> = dyn Fn(&str) -> Option<String> + 'a;

static TABLE: LazyLock<Vec<Known>> = LazyLock::new(|| read_table(include_str!("actions.table")));

/// What is known of an action.
#[derive(Debug, Default)]
struct Known {
    /// `owner/name@version`, of which the version is a major number or a branch.
    reference: String,
    least: Option<u32>,
    inputs: Vec<KnownInput>,
    has_other_inputs: bool,
    outputs: Vec<String>,
    has_other_outputs: bool,
}

#[derive(Debug)]
struct KnownInput {
    name: String,
    is_required: bool,
    /// The input to use in its place.
    replaced_by: Option<String>,
}

fn read_table(text: &str) -> Vec<Known> {
    let mut table: Vec<Known> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let Some(known) = table.last_mut().filter(|_| line.starts_with(' ')) else {
            table.push(Known { reference: first.to_owned(), ..Known::default() });
            continue;
        };
        match first {
            "least" => known.least = words.next().and_then(|number| number.parse().ok()),
            "in" => {
                for word in words {
                    known.has_other_inputs |= word == "*";
                    let (name, replaced_by) = word.split_once('~').unwrap_or((word, ""));
                    known.inputs.push(KnownInput {
                        name: name.trim_end_matches('!').to_owned(),
                        is_required: name.ends_with('!'),
                        replaced_by: Some(replaced_by.to_owned()).filter(|name| !name.is_empty()),
                    });
                }
                known.inputs.retain(|input| input.name != "*");
            }
            _ => {
                for word in words {
                    known.has_other_outputs |= word == "*";
                    known.outputs.push(word.to_owned());
                }
                known.outputs.retain(|name| name != "*");
            }
        }
    }
    table
}

/// What the table says of this version of an action.
fn known(reference: &str) -> Option<&'static Known> {
    let short = major(reference).map(|(name, number)| format!("{name}@{number}"));
    TABLE
        .iter()
        .find(|known| reference == known.reference || short.as_ref() == Some(&known.reference))
}

/// The action and the major number of `owner/name@v4` or `owner/name@v4.1.0`.
fn major(reference: &str) -> Option<(&str, u32)> {
    let (name, version) = reference.split_once('@')?;
    let version = version.strip_prefix('v')?;
    let is_plain = version.bytes().all(|each| each.is_ascii_digit() || each == b'.');
    let number = version.split('.').next()?.parse().ok()?;
    is_plain.then_some((name, number))
}

/// The kind of `steps.ID.outputs` of a step that uses an action.
pub(super) fn outputs(reference: &str, files: &Files<'_>) -> Type {
    let texts = |names: Vec<String>| Type::strict(names.into_iter().map(|name| (name, Type::Text)));
    if let Some(action) = local(reference, files) {
        let outputs = action.get("outputs").map_or(&[][..], Token::entries);
        return texts(outputs.iter().map(|(name, _)| name.text()).collect());
    }
    match known(reference) {
        Some(known) if !known.has_other_outputs => texts(known.outputs.clone()),
        _ => Type::map(Type::Text),
    }
}

/// The `action.yml` of an action in the repository.
pub(super) fn local(reference: &str, files: &Files<'_>) -> Option<Token> {
    let folder = reference.strip_prefix("./")?.trim_end_matches('/');
    ["action.yml", "action.yaml"].into_iter().find_map(|name| {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let text = files(&path)?;
        read_action(&path, &text, &Options::default()).root
    })
}

impl Walk<'_> {
    pub(super) fn action(&mut self, step: &Token, uses: &Token) {
        let reference = uses.text();
        if reference.strip_prefix("docker://").is_some_and(|image| image.ends_with(':')) {
            let message = format!("the tag of `{reference}` is empty");
            self.report(&codes::ACTION_REFERENCE, uses, message, None);
        }
        if let Some(action) = local(&reference, self.surroundings.files) {
            let inputs: Vec<(String, bool, Option<String>)> = action
                .get("inputs")
                .map_or(&[][..], Token::entries)
                .iter()
                .map(|(name, definition)| {
                    let is_required = definition.get("required").map(Token::text);
                    let is_required = is_required.as_deref() == Some("true")
                        && definition.get("default").is_none();
                    (name.text(), is_required, None)
                })
                .collect();
            self.inputs(step, uses, &inputs, false);
            self.circular(uses);
        }
        if let Some(known) = known(&reference) {
            let inputs: Vec<_> = known
                .inputs
                .iter()
                .map(|input| (input.name.clone(), input.is_required, input.replaced_by.clone()))
                .collect();
            self.inputs(step, uses, &inputs, known.has_other_inputs);
        }
        self.outdated(uses, &reference);
        self.unpinned(uses, &reference);
    }

    fn inputs(
        &mut self,
        step: &Token,
        uses: &Token,
        known: &[(String, bool, Option<String>)],
        has_others: bool,
    ) {
        let given = step.get("with").map_or(&[][..], Token::entries);
        let is_computed = step.get("with").is_some_and(Token::is_expression);
        let reference = uses.text();
        for (name, _, _) in known.iter().filter(|(_, is_required, _)| *is_required && !is_computed)
        {
            if !given.iter().any(|(key, _)| equals_ignoring_case(&key.text(), name)) {
                let message = format!("`{reference}` needs the input `{name}`");
                self.report(&codes::ACTION_INPUT, uses, message, None);
            }
        }
        for (key, _) in given.iter().filter(|(key, _)| !key.is_expression()) {
            let name = key.text();
            match known.iter().find(|(known, _, _)| equals_ignoring_case(known, &name)) {
                Some((_, _, Some(other))) => {
                    let message = format!("the input `{name}` of `{reference}` has been given up");
                    let hint = Some(format!("use `{other}`"));
                    self.report(&codes::ACTION_INPUT, key, message, hint);
                }
                None if !has_others => {
                    let names: Vec<&str> = known.iter().map(|(name, _, _)| name.as_str()).collect();
                    let hint = match nearest(&name, names.iter().copied()) {
                        Some(known) => format!("did you mean `{known}`?"),
                        None => format!("it has: {}", names.join(", ")),
                    };
                    let message = format!("`{reference}` has no input `{name}`");
                    self.report(&codes::ACTION_INPUT, key, message, Some(hint));
                }
                _ => {}
            }
        }
    }

    fn outdated(&mut self, uses: &Token, reference: &str) {
        let Some((name, number)) = major(reference) else { return };
        let least = TABLE
            .iter()
            .filter(|known| known.reference.split('@').next() == Some(name))
            .find_map(|known| known.least);
        if let Some(least) = least.filter(|least| number < *least) {
            let message = format!("`{reference}` is too old to run");
            let hint = format!("use `{name}@v{least}` or a later one");
            self.report(&codes::ACTION_OUTDATED, uses, message, Some(hint));
        }
    }

    /// Reports actions of others that are named by a tag or branch. GitHub's own are trusted.
    fn unpinned(&mut self, uses: &Token, reference: &str) {
        const TRUSTED: [&str; 2] = ["actions/", "github/"];
        let Some((name, version)) = reference.split_once('@') else { return };
        let is_commit = version.len() == 40 && version.bytes().all(|each| each.is_ascii_hexdigit());
        let is_foreign = !name.starts_with("./") && !name.starts_with("docker://");
        if is_foreign && !is_commit && !TRUSTED.iter().any(|owner| name.starts_with(owner)) {
            let message = format!("`{name}` is somebody else's, and `{version}` can be moved");
            let hint = "name the commit by its 40 digits".to_owned();
            self.report(&codes::UNPINNED, uses, message, Some(hint));
        }
    }
}
