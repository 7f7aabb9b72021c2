//! Dockerfiles, taken apart into instructions: continued lines, comments, here-documents, stages.

use crate::finding::number;
use crate::repository::{Repository, name_of};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// In capitals.
    pub(crate) name: String,
    /// What follows it, its lines joined.
    pub(crate) args: String,
    /// The line it begins on.
    pub(crate) line: u32,
    /// The stage it belongs to, from 0; what comes before the first `FROM` counts as 0.
    pub(crate) stage: usize,
}

impl Instruction {
    /// The words of the exec form (`["a", "b"]`), where it is that.
    pub(crate) fn exec(&self) -> Option<Vec<String>> {
        let args = self.args.trim();
        args.starts_with('[').then(|| serde_json::from_str(args).ok()).flatten()
    }

    /// Its words without the options that begin with `--`.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.args.split_whitespace().skip_while(|word| word.starts_with("--")).collect()
    }

    /// The value of an option `--name=value`.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let options = self.args.split_whitespace().take_while(|word| word.starts_with("--"));
        options
            .filter_map(|word| word[2..].split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }
}

/// A whole Dockerfile.
#[derive(Clone, Debug)]
pub(crate) struct Dockerfile {
    pub(crate) instructions: Vec<Instruction>,
}

impl Dockerfile {
    pub(crate) fn parse(text: &str) -> Self {
        let mut instructions: Vec<Instruction> = Vec::new();
        let mut stage = 0;
        let mut has_from = false;
        let mut lines = text.lines().enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut whole = line.to_owned();
            while let Some(kept) = whole.strip_suffix('\\') {
                whole = kept.trim_end().to_owned();
                let Some((_, next)) = lines.next() else { break };
                if next.trim_start().starts_with('#') || next.trim().is_empty() {
                    whole.push_str(" \\");
                    continue;
                }
                whole.push(' ');
                whole.push_str(next.trim());
            }
            let (name, args) = whole.split_once(char::is_whitespace).unwrap_or((&whole, ""));
            let name = name.to_ascii_uppercase();
            if let Some(end) =
                heredoc(args).filter(|_| matches!(name.as_str(), "RUN" | "COPY" | "ADD"))
            {
                let end = end.to_owned();
                lines.by_ref().find(|(_, line)| line.trim() == end);
            }
            if name == "FROM" {
                stage += usize::from(has_from);
                has_from = true;
            }
            let (args, line) = (args.trim().to_owned(), number(at + 1));
            instructions.push(Instruction { name, args, line, stage });
        }
        Self { instructions }
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Instruction> {
        self.instructions.iter().filter(move |one| one.name == name)
    }

    /// The number of the last stage, which is what runs.
    pub(crate) fn last_stage(&self) -> usize {
        self.instructions.last().map_or(0, |one| one.stage)
    }

    /// The last instruction of that name in the last stage.
    pub(crate) fn last(&self, name: &str) -> Option<&Instruction> {
        let stage = self.last_stage();
        self.instructions.iter().rev().find(|one| one.name == name && one.stage == stage)
    }

    /// The names of the stages before this one.
    pub(crate) fn stage_names(&self) -> Vec<(usize, String)> {
        let named = self.named("FROM").filter_map(|from| {
            let words = from.words();
            let as_at = words.iter().position(|word| word.eq_ignore_ascii_case("as"))?;
            Some((from.stage, words.get(as_at + 1)?.to_string()))
        });
        named.collect()
    }

    /// The ports of `EXPOSE` in the last stage.
    pub(crate) fn exposed(&self) -> Vec<(u16, u32)> {
        let stage = self.last_stage();
        let exposes = self.named("EXPOSE").filter(|one| one.stage == stage);
        let ports = exposes.flat_map(|one| {
            let port = |word: &str| word.split('/').next().unwrap_or(word).parse().ok();
            one.words()
                .into_iter()
                .filter_map(port)
                .map(|port| (port, one.line))
                .collect::<Vec<_>>()
        });
        ports.collect()
    }
}

/// The word that ends a here-document that begins in these words.
fn heredoc(args: &str) -> Option<&str> {
    let after = args.split("<<").nth(1)?;
    let after = after.trim_start_matches('-').trim_start_matches(['"', '\'']);
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    Some(&after[..end]).filter(|word| !word.is_empty())
}

/// Every Dockerfile of a repository.
pub(crate) fn dockerfiles(repository: &Repository) -> impl Iterator<Item = (&str, Dockerfile)> {
    let is_one = |path: &str| {
        let name = name_of(path);
        name == "Dockerfile"
            || name == "Containerfile"
            || name.starts_with("Dockerfile.")
            || name.ends_with(".Dockerfile")
    };
    let found =
        repository.texts().filter(move |(path, _)| is_one(path) && !path.contains("node_modules/"));
    found.map(|(path, text)| (path, Dockerfile::parse(text)))
}

/// The path and the port that a `HEALTHCHECK` asks, where it says so.
pub(crate) fn asked(args: &str) -> Option<(Option<u16>, String)> {
    let at = args.find("http://")?;
    let rest = &args[at + "http://".len()..];
    let end =
        rest.find(|c: char| c.is_whitespace() || "\"'`);]|&".contains(c)).unwrap_or(rest.len());
    let url = &rest[..end];
    let (host, path) =
        url.split_once('/').map_or((url, String::new()), |(h, p)| (h, format!("/{p}")));
    let port = host.split_once(':').and_then(|(_, port)| port.parse().ok());
    let path = path.split('?').next().unwrap_or_default();
    Some((port, if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_know_their_line_and_stage() {
        let text = "# syntax\nFROM rust:1 AS build\nRUN a \\\n  # why\n  && b\nRUN <<EOF\nFROM x\nEOF\nFROM debian:12\nCOPY --from=build /a /b\nEXPOSE 80/tcp 443\n";
        let file = Dockerfile::parse(text);
        let seen: Vec<_> =
            file.instructions.iter().map(|i| (i.name.as_str(), i.line, i.stage)).collect();
        assert_eq!(
            seen,
            [
                ("FROM", 2, 0),
                ("RUN", 3, 0),
                ("RUN", 6, 0),
                ("FROM", 9, 1),
                ("COPY", 10, 1),
                ("EXPOSE", 11, 1)
            ]
        );
        assert_eq!(file.instructions[1].args, "a && b");
        assert_eq!(file.exposed(), [(80, 11), (443, 11)]);
        assert_eq!(file.stage_names(), [(0, "build".to_owned())]);
        assert_eq!(file.instructions[4].option("from"), Some("build"));
    }

    #[test]
    fn what_a_health_check_asks_is_read() {
        assert_eq!(
            asked("CMD curl -f http://localhost:8000/health || exit 1"),
            Some((Some(8000), "/health".to_owned()))
        );
        assert_eq!(asked("CMD [\"wget\", \"http://localhost\"]"), Some((None, "/".to_owned())));
        assert_eq!(asked("CMD true"), None);
    }
}
