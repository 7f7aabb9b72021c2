//! File patterns as the toolkit of GitHub Actions understands them: one a line, `!` takes out, `#`
//! is a comment, a folder stands for all that lies in it, the last pattern that matches decides.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum GlobError {
    #[error("`{pattern}` is not a file pattern")]
    Pattern {
        pattern: String,
        #[source]
        source: globset::Error,
    },
    #[error("cannot look for files in {path}")]
    Walk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Whether names that begin with a dot count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    Include,
    Exclude,
}

/// What patterns found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Files only, absolute, sorted.
    pub(crate) files: Vec<PathBuf>,
    /// Where each pattern begins to vary: the folders (or files) that were searched.
    pub(crate) roots: Vec<PathBuf>,
}

struct Pattern {
    takes_out: bool,
    root: PathBuf,
    matcher: GlobMatcher,
}

/// The files under `base`, or wherever absolute patterns point, that the patterns choose.
pub(crate) fn find(base: &Path, patterns: &str, hidden: Hidden) -> Result<Found, GlobError> {
    let patterns: Vec<Pattern> = patterns
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| Pattern::new(base, line))
        .collect::<Result<_, _>>()?;
    let mut found = Found::default();
    let mut candidates = BTreeSet::new();
    for pattern in patterns.iter().filter(|pattern| !pattern.takes_out) {
        walk(&pattern.root, hidden, &mut Vec::new(), &mut candidates)?;
        if !found.roots.contains(&pattern.root) {
            found.roots.push(pattern.root.clone());
        }
    }
    let is_chosen = |file: &PathBuf| {
        let last = patterns.iter().rev().find(|pattern| pattern.matches(file));
        last.is_some_and(|pattern| !pattern.takes_out)
    };
    found.files = candidates.into_iter().filter(is_chosen).collect();
    Ok(found)
}

impl Pattern {
    fn new(base: &Path, line: &str) -> Result<Self, GlobError> {
        let (takes_out, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let path = normalise(&base.join(text));
        // The toolkit knows no braces; the glob crate does.
        let glob = path.to_string_lossy().replace('{', "[{]").replace('}', "[}]");
        let matcher = GlobBuilder::new(&glob)
            .literal_separator(true)
            .build()
            .map_err(|source| GlobError::Pattern { pattern: line.to_owned(), source })?
            .compile_matcher();
        let is_literal =
            |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let root = path.components().take_while(is_literal).collect();
        Ok(Self { takes_out, root, matcher })
    }

    /// A file matches by itself or through a folder that it lies in.
    fn matches(&self, file: &Path) -> bool {
        file.ancestors()
            .take_while(|part| part.starts_with(&self.root))
            .any(|part| self.matcher.is_match(part))
    }
}

/// Resolves `.` and `..` without asking the disk.
fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            _ => normal.push(part),
        }
    }
    normal
}

/// Collects the files below `path`. Links are followed, but not in circles.
fn walk(
    path: &Path,
    hidden: Hidden,
    above: &mut Vec<PathBuf>,
    files: &mut BTreeSet<PathBuf>,
) -> Result<(), GlobError> {
    let fail = |source| GlobError::Walk { path: path.to_path_buf(), source };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        // A pattern may name what is not there, and a link may lead nowhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
    };
    if !metadata.is_dir() {
        files.insert(path.to_path_buf());
        return Ok(());
    }
    let real = path.canonicalize().map_err(fail)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if hidden == Hidden::Include || !is_hidden {
            walk(&entry.path(), hidden, above, files)?;
        }
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn tree() -> TempDir {
        let dir = TempDir::new().unwrap();
        for file in ["a.txt", "b.md", "src/a.txt", "src/deep/c.txt", ".env", "odd{1}.txt"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("src/up")).unwrap();
        dir
    }

    fn names(patterns: &str) -> Vec<String> {
        let dir = tree();
        let found = find(dir.path(), patterns, Hidden::Exclude).unwrap();
        found
            .files
            .iter()
            .map(|file| file.strip_prefix(dir.path()).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn patterns_choose_as_the_toolkit_does() {
        assert_eq!(names("a.txt"), ["a.txt"]);
        assert_eq!(names("*.txt"), ["a.txt", "odd{1}.txt"]);
        assert_eq!(names("odd{1}.txt"), ["odd{1}.txt"]);
        assert_eq!(names("src/deep"), ["src/deep/c.txt"]);
        assert_eq!(names("**/c.txt"), ["src/deep/c.txt"]);
        assert_eq!(names("# all\n./src/../*.md\n"), ["b.md"]);
        assert_eq!(names("**/*.txt\n!src\n!odd*"), ["a.txt"]);
        assert_eq!(names("!a.txt\n*.txt\n"), ["a.txt", "odd{1}.txt"]);
        assert_eq!(names("nothing/*"), Vec::<String>::new());
        assert_eq!(names(".env"), [".env"]);
    }

    #[test]
    fn hidden_files_only_when_wanted() {
        let dir = tree();
        let all = find(dir.path(), ".", Hidden::Include).unwrap().files;
        let shown = find(dir.path(), ".", Hidden::Exclude).unwrap().files;
        assert_eq!(all.len(), shown.len() + 1);
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = find(Path::new("/tmp"), "src/[a", Hidden::Include).unwrap_err();
        assert_eq!(error.to_string(), "`src/[a` is not a file pattern");
    }
}
