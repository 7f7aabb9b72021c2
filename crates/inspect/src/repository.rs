//! The files of a repository, at hand as text.

use std::collections::{BTreeMap, BTreeSet};

/// A file longer than this is known by its path alone: nothing that steers a delivery is that long.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The files of a repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// By path, with `/`; `None` for what is not text, or too long.
    files: BTreeMap<String, Option<String>>,
    /// Its branches, where they are known.
    branches: Option<BTreeSet<String>>,
}

impl Repository {
    /// The repository of these files: path from its top, with `/`, and content.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let text = |content: Vec<u8>| {
            let is_short = content.len() <= FILE_BYTES_MAX;
            String::from_utf8(content).ok().filter(|text| is_short && !text.contains('\0'))
        };
        let files = files.into_iter().map(|(path, content)| (path, text(content)));
        Self { files: files.collect(), branches: None }
    }

    /// The same with the names of its branches.
    #[must_use]
    pub fn with_branches(mut self, branches: impl IntoIterator<Item = String>) -> Self {
        self.branches = Some(branches.into_iter().collect());
        self
    }

    /// Its branches, where they are known.
    pub(crate) const fn branches(&self) -> Option<&BTreeSet<String>> {
        self.branches.as_ref()
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is a file, text or not.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Whether there is a folder with a file in it; the top is `""`.
    pub fn has_folder(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Every path below a folder; the top is `""`.
    pub(crate) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths().filter(move |path| is_below(path, folder))
    }

    /// Every text whose path ends so.
    pub(crate) fn ending<'a>(
        &'a self,
        endings: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts().filter(|(path, _)| endings.iter().any(|ending| path.ends_with(ending)))
    }

    /// Every text by its path.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The workflow files.
    pub(crate) fn workflows(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_workflow = |path: &str| {
            path.strip_prefix(".github/workflows/").is_some_and(|name| !name.contains('/'))
                && (path.ends_with(".yml") || path.ends_with(".yaml"))
        };
        self.texts().filter(move |(path, _)| is_workflow(path))
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The folder that a file lies in; `""` at the top.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `path` as seen from `folder`, without `.` and `..`; `None` when it leaves the repository.
pub(crate) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let from = if path.starts_with('/') { "" } else { folder };
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_from_a_folder() {
        assert_eq!(join("a/b", "../c").as_deref(), Some("a/c"));
        assert_eq!(join("a", "./b/").as_deref(), Some("a/b"));
        assert_eq!(join("", "."), Some(String::new()));
        assert_eq!(join("a", "../../b"), None);
    }

    #[test]
    fn what_is_no_text_is_known_by_its_path_alone() {
        let files =
            [("a/logo.png".to_owned(), vec![0xff, 0xd8]), ("b.txt".to_owned(), b"b".to_vec())];
        let repository = Repository::new(files);
        assert_eq!(repository.text("a/logo.png"), None);
        assert!(repository.has_file("a/logo.png") && repository.has_folder("a"));
        assert!(!repository.has_folder("a/logo.png"));
        assert_eq!(repository.texts().collect::<Vec<_>>(), [("b.txt", "b")]);
    }
}
