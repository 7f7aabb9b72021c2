//! `qnt9.toml` with the places of what it says. Whether it is right is the engine's to say; here it is
//! held against the other files.

use toml_edit::{Document, Item, TableLike};

use crate::Repository;
use crate::finding::Place;

/// The file.
pub(crate) const FILE: &str = "qnt9.toml";

/// A text and where it stands.
pub(crate) type Said = (String, Place);

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) services: Vec<Service>,
    pub(crate) environments: Vec<Environment>,
}

#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Said,
    pub(crate) command: Vec<Said>,
    pub(crate) health: Option<Said>,
}

#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) name: Said,
    pub(crate) branches: Vec<Said>,
    /// Where it says that only a person starts a deployment.
    pub(crate) manual: Option<Place>,
    /// `KIND` or `KIND@ENVIRONMENT`.
    pub(crate) evidence: Vec<Said>,
}

impl Rules {
    /// Those of a repository; `None` without the file, or when it is no TOML.
    pub(crate) fn of(repository: &Repository) -> Option<Self> {
        let text = repository.text(FILE)?;
        let document = Document::parse(text).ok()?;
        let root = document.as_table();
        let services = sections(text, root, "service").into_iter().map(|(name, table)| Service {
            name,
            command: texts(text, table, "command"),
            health: said(text, table.get("health")),
        });
        let environments =
            sections(text, root, "environment").into_iter().map(|(name, table)| Environment {
                name,
                branches: texts(text, table, "branches"),
                manual: said(text, table.get("trigger"))
                    .filter(|(trigger, _)| trigger == "manual")
                    .map(|(_, place)| place),
                evidence: evidence(text, table),
            });
        Some(Self { services: services.collect(), environments: environments.collect() })
    }

    pub(crate) fn environment_names(&self) -> Vec<&str> {
        self.environments.iter().map(|environment| environment.name.0.as_str()).collect()
    }
}

fn sections<'a>(text: &str, root: &'a dyn TableLike, key: &str) -> Vec<(Said, &'a dyn TableLike)> {
    let Some(all) = root.get(key).and_then(Item::as_table_like) else { return Vec::new() };
    let section = |(name, item): (&str, &'a Item)| {
        let table = item.as_table_like()?;
        let at = all.key(name).and_then(toml_edit::Key::span);
        Some(((name.to_owned(), place(text, at)), table))
    };
    all.iter().filter_map(section).collect()
}

fn said(text: &str, item: Option<&Item>) -> Option<Said> {
    let item = item?;
    Some((item.as_str()?.to_owned(), place(text, item.span())))
}

fn texts(text: &str, table: &dyn TableLike, key: &str) -> Vec<Said> {
    let Some(array) = table.get(key).and_then(Item::as_array) else { return Vec::new() };
    let one =
        |value: &toml_edit::Value| Some((value.as_str()?.to_owned(), place(text, value.span())));
    array.iter().filter_map(one).collect()
}

/// Plain texts, and the `name` of tables.
fn evidence(text: &str, table: &dyn TableLike) -> Vec<Said> {
    let Some(array) = table.get("evidence").and_then(Item::as_array) else { return Vec::new() };
    let one = |value: &toml_edit::Value| {
        let named = value.as_inline_table().and_then(|table| table.get("name")?.as_str());
        Some((value.as_str().or(named)?.to_owned(), place(text, value.span())))
    };
    array.iter().filter_map(one).collect()
}

fn place(text: &str, span: Option<std::ops::Range<usize>>) -> Place {
    Place::of(text, span.map_or(0, |span| span.start))
}
