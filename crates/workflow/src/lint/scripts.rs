//! The shell scripts of a workflow or an action, for a program that checks such scripts, and what
//! it says of them as findings at their places in the file.

use serde::Deserialize;

use super::{Finding, codes};
use crate::Diagnostic;
use crate::language::{Memory, Token};
use crate::plan::{Options, read_action, read_file};
use crate::source::Source;
use crate::template::{OPEN, Segment, segments};

/// What stands before every script: runners end it at the first command that fails.
const SETUP: &str = "set -e\n";
/// What shellcheck says in vain of a script in which constants stand for expressions, and which is read
/// away from its repository: files that are not found, comparisons and loops over constants,
/// variables that the environment gives.
pub const EXCLUDED: [&str; 7] =
    ["SC1091", "SC2194", "SC2050", "SC2153", "SC2154", "SC2157", "SC2043"];

/// A shell that shellcheck knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Sh,
}

impl Shell {
    pub const ALL: [Self; 2] = [Self::Bash, Self::Sh];

    /// Its name for shellcheck.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
        }
    }

    /// By what `shell:` says: a name, or a command that begins with one.
    fn of(shell: &str) -> Option<Self> {
        match shell.split_whitespace().next()? {
            "bash" => Some(Self::Bash),
            "sh" => Some(Self::Sh),
            _ => None,
        }
    }
}

/// The script of a step.
#[derive(Clone, Debug)]
pub struct Script {
    pub shell: Shell,
    run: Token,
}

/// What shellcheck says of all files together, in its format `json1`.
#[derive(Debug, Deserialize)]
pub struct Remarks {
    pub comments: Vec<Comment>,
}

/// One remark of shellcheck.
#[derive(Debug, Deserialize)]
pub struct Comment {
    /// The name under which the script was handed over.
    pub file: String,
    line: usize,
    column: usize,
    #[serde(rename = "endLine")]
    end_line: usize,
    #[serde(rename = "endColumn")]
    end_column: usize,
    level: String,
    code: u32,
    message: String,
}

/// The scripts for `bash` and `sh` of a workflow, or of an action if `file` is named so.
pub fn scripts(file: &str, text: &str) -> Vec<Script> {
    let options = Options::default();
    let mut found = Vec::new();
    if super::is_action(file) {
        let root = read_action(file, text, &options).root;
        let steps = root.as_ref().and_then(|root| root.get("runs")?.get("steps"));
        collect(steps, None, &mut found);
        return found;
    }
    let root = read_file(file, 0, text, &options, &mut Memory::default()).token;
    let Some(root) = root else { return found };
    for (_, job) in root.get("jobs").map_or(&[][..], Token::entries) {
        let shell = default_shell(job).or_else(|| default_shell(&root));
        let shell = shell.map_or_else(|| usual_shell(job), |shell| Shell::of(&shell));
        collect(job.get("steps"), shell, &mut found);
    }
    found
}

fn collect(steps: Option<&Token>, usual: Option<Shell>, found: &mut Vec<Script>) {
    for step in steps.map_or(&[][..], Token::items) {
        collect(step.get("parallel"), usual, found);
        let Some(run) = step.get("run") else { continue };
        let shell = step.get("shell").map_or(usual, |shell| Shell::of(&shell.source()));
        found.extend(shell.map(|shell| Script { shell, run: run.clone() }));
    }
}

fn default_shell(owner: &Token) -> Option<String> {
    Some(owner.get("defaults")?.get("run")?.get("shell")?.source())
}

/// The shell of a job that names none: that of its runner, which is not known when anything that
/// `runs-on` may stand for is a Windows.
fn usual_shell(job: &Token) -> Option<Shell> {
    let runs_on = job.get("runs-on");
    let chosen = runs_on.filter(|labels| labels.source().contains(OPEN)).and(job.get("strategy"));
    if [runs_on, chosen].into_iter().flatten().any(names_windows) {
        return None;
    }
    Some(if job.get("container").is_some() { Shell::Sh } else { Shell::Bash })
}

fn names_windows(token: &Token) -> bool {
    token.items().iter().any(names_windows)
        || token.entries().iter().any(|(_, value)| names_windows(value))
        || token.source().to_ascii_lowercase().contains("windows")
}

impl Script {
    /// What shellcheck is to read: every expression is a word of the same length.
    pub fn text(&self) -> String {
        let source = self.run.source();
        let mut text = SETUP.to_owned();
        // What cannot be taken apart has been refused by the reader.
        for part in segments(&source).unwrap_or_default() {
            if let Segment::Text(span) = part {
                fill(&mut text, &source, span.start);
                text.push_str(&source[span]);
            }
        }
        fill(&mut text, &source, source.len());
        text
    }

    /// A remark as a finding in the file that the script is from.
    pub fn finding(&self, file: &str, text: &str, comment: &Comment) -> Finding {
        let source = Source::new(file, text);
        let script = self.run.source();
        let start = offset(&script, comment.line, comment.column);
        let end = offset(&script, comment.end_line, comment.end_column);
        let end = if end > start { end } else { script.len() };
        let span = source.locate(&self.run.span, &script, start..end);
        let message = format!("SC{:04}: {}", comment.code, comment.message);
        let hint = format!("https://www.shellcheck.net/wiki/SC{:04}", comment.code);
        let diagnostic = Diagnostic { hint: Some(hint), ..source.diagnostic(span, message) };
        let code = if comment.level == "error" { &codes::SCRIPT_ERROR } else { &codes::SCRIPT };
        Finding { code, diagnostic, value_line: self.run.position().line }
    }
}

/// Puts placeholders for what of the script lies before `until` and is not in the text yet.
fn fill(text: &mut String, source: &str, until: usize) {
    let from = text.len() - SETUP.len();
    for each in source.get(from..until).unwrap_or_default().chars() {
        match each {
            '\n' => text.push('\n'),
            // As many bytes as the character has keep both texts in step; it is nearly always one.
            other => (0..other.len_utf8()).for_each(|_| text.push('_')),
        }
    }
}

/// The byte of a script at a line and column of what shellcheck has read.
fn offset(script: &str, line: usize, column: usize) -> usize {
    let before = line.saturating_sub(1 + SETUP.lines().count());
    let start: usize = script.split_inclusive('\n').take(before).map(str::len).sum();
    let line = script[start..].lines().next().unwrap_or_default();
    let within = line.char_indices().nth(column.saturating_sub(1));
    start + within.map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKFLOW: &str = "on: push
defaults: { run: { shell: sh } }
jobs:
  a:
    runs-on: ubuntu-latest
    defaults: { run: { shell: 'bash -e {0}' } }
    steps:
      - run: |
          echo ${{ github.sha }} é $FOO
          ls $FOO
      - { run: print(), shell: python }
      - { run: ls, shell: sh }
  b:
    runs-on: windows-latest
    steps: [{ run: dir }]
";

    fn comment(line: usize, column: usize, end_column: usize) -> Comment {
        let comment = serde_json::json!({
            "file": "0", "line": line, "endLine": line, "column": column, "endColumn": end_column,
            "level": "info", "code": 2086, "message": "Double quote.", "fix": null,
        });
        serde_json::from_value(comment).unwrap()
    }

    #[test]
    fn scripts_are_those_of_shells_that_are_known() {
        let found = scripts("w.yml", WORKFLOW);
        let shells: Vec<Shell> = found.iter().map(|script| script.shell).collect();
        assert_eq!(shells, [Shell::Bash, Shell::Sh, Shell::Sh]);
        let text = found[0].text();
        assert_eq!(text, "set -e\necho _________________ é $FOO\nls $FOO\n");
        let without = WORKFLOW.replace("defaults: { run: { shell: sh } }\n", "");
        assert_eq!(scripts("w.yml", &without).len(), 2, "Windows has a shell of its own");
    }

    #[test]
    fn a_remark_stands_where_the_script_does() {
        let script = &scripts("w.yml", WORKFLOW)[0];
        let first = script.finding("w.yml", WORKFLOW, &comment(2, 26, 30)).diagnostic;
        assert_eq!((first.line, first.column), (9, 36));
        let second = script.finding("w.yml", WORKFLOW, &comment(3, 4, 8));
        assert_eq!((second.diagnostic.line, second.diagnostic.column), (10, 14));
        assert_eq!(second.diagnostic.message, "SC2086: Double quote.");
        assert_eq!((second.code.id, second.value_line), ("QX1081", 8));
    }

    #[test]
    fn a_remark_beyond_the_script_is_shown_at_its_end() {
        let script = &scripts("w.yml", WORKFLOW)[2];
        let found = script.finding("w.yml", WORKFLOW, &comment(90, 90, 91)).diagnostic;
        assert_eq!(found.line, 15);
    }
}
