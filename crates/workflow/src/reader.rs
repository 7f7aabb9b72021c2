//! The tokens of a file to a typed workflow, as far as it can be carried out here. Whatever cannot is
//! reported, never dropped.

mod jobs;
mod steps;
mod triggers;

use std::ops::Range;

use crate::language::{Token, TokenKind};
use crate::lint::contradictions;
use crate::plan::{Options, Outcome, read};
use crate::source::Source;
use crate::workflow::{Access, Concurrency, Defaults, Permissions, Queue, Workflow};
use crate::{Condition, Diagnostic, Template};

/// Reads a workflow that is to be run. `file` is its path, which errors and [`Workflow::path`] repeat.
///
/// # Errors
/// What GitHub refuses, in its words, all at once; and if it refuses nothing, what cannot be carried out here yet.
pub fn parse(file: &str, text: &str) -> Result<Workflow, Vec<Diagnostic>> {
    let nothing_is_called = |_: &str| Err("calls are not followed here".to_owned());
    let outcome = read(file, text, &nothing_is_called, &Options::default());
    let Outcome { root, problems, later, .. } = outcome;
    let problems = problems.into_iter().chain(later);
    let mut diagnostics: Vec<Diagnostic> = problems.map(|problem| problem.diagnostic).collect();
    diagnostics.extend(contradictions(file, text, root.as_ref()));
    let source = Source::new(file, text);
    let mut lowering = Lowering { source: &source, diagnostics };
    let workflow = match root.filter(|_| lowering.diagnostics.is_empty()) {
        Some(root) => lowering.workflow(&root),
        None => None,
    };
    let mut diagnostics = lowering.diagnostics;
    // What an alias stands for is read at each alias, and would be reported as often.
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    diagnostics.dedup();
    match workflow {
        Some(workflow) if diagnostics.is_empty() => Ok(workflow),
        _ => Err(diagnostics),
    }
}

struct Lowering<'a> {
    source: &'a Source<'a>,
    diagnostics: Vec<Diagnostic>,
}

impl Lowering<'_> {
    fn workflow(&mut self, root: &Token) -> Option<Workflow> {
        Some(Workflow {
            path: self.source.file.to_owned(),
            name: root.get("name").map(Token::source),
            run_name: root.get("run-name").map(template),
            on: self.triggers(root.get("on")?),
            env: self.templates(root.get("env")),
            defaults: self.defaults(root.get("defaults")),
            concurrency: root.get("concurrency").and_then(|token| self.concurrency(token)),
            permissions: root.get("permissions").map(permissions),
            jobs: self.jobs(root.get("jobs")?),
        })
    }

    fn defaults(&mut self, token: Option<&Token>) -> Defaults {
        let Some(run) = token.and_then(|token| token.get("run")) else {
            return Defaults::default();
        };
        Defaults {
            shell: run.get("shell").and_then(|token| self.shell(token)),
            working_directory: run.get("working-directory").map(template),
        }
    }

    fn concurrency(&mut self, token: &Token) -> Option<Concurrency> {
        if !token.is_mapping() {
            let group = template(token);
            return Some(Concurrency { group, cancel_in_progress: None, queue: Queue::Single });
        }
        let queue = match token.get("queue").and_then(Token::as_str) {
            Some("max") => Queue::Max,
            _ => Queue::Single,
        };
        let cancel = token.get("cancel-in-progress");
        if let Some((key, _)) = token.entry("queue")
            && queue == Queue::Max
            && cancel.and_then(Token::as_bool) == Some(true)
        {
            let message = "`queue: max` and `cancel-in-progress: true` cannot be used together";
            self.report(key, message, None);
        }
        let group = template(token.get("group")?);
        Some(Concurrency { group, cancel_in_progress: cancel.map(template), queue })
    }

    /// A mapping of names to templates, as under `env:` and `with:`.
    fn templates(&mut self, token: Option<&Token>) -> Vec<(String, Template)> {
        let Some(token) = token.filter(|token| self.is_written(token, "a mapping")) else {
            return Vec::new();
        };
        let mut templates = Vec::new();
        for (key, value) in token.entries() {
            if self.is_plain_key(key) {
                templates.push((key.text(), template(value)));
            }
        }
        templates
    }

    /// Reports an expression in place of what has parts.
    fn is_written(&mut self, token: &Token, what: &str) -> bool {
        if token.is_expression() {
            let message = format!("`${{{{ }}}}` in place of {what} is not supported yet");
            self.report(token, message, None);
        }
        !token.is_expression()
    }

    /// Reports an expression in place of a key.
    fn is_plain_key(&mut self, key: &Token) -> bool {
        if key.is_expression() {
            self.report(key, "`${{ }}` in a key is not supported yet", None);
        }
        !key.is_expression()
    }

    fn shell(&mut self, token: &Token) -> Option<Template> {
        const BUILT_IN: [&str; 2] = ["bash", "sh"];
        const UNSUPPORTED: [(&str, &str); 2] =
            [("python", "python {0}"), ("pwsh", "pwsh -command \". '{0}'\"")];
        const WINDOWS: [&str; 2] = ["cmd", "powershell"];
        let shell = template(token);
        let name = shell.source.as_str();
        let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is_one_of(&BUILT_IN) || name.contains("{0}") || shell.has_expressions() {
            return Some(shell);
        }
        if let Some((_, custom)) =
            UNSUPPORTED.iter().find(|(shell, _)| shell.eq_ignore_ascii_case(name))
        {
            let message = format!("the shell `{name}` is not supported yet by its name");
            self.report(token, message, Some(format!("write `{custom}` instead")));
        } else if is_one_of(&WINDOWS) {
            let message = format!("the shell `{name}` needs Windows, which is not supported");
            self.report(token, message, None);
        } else {
            let hint = "use `bash`, `sh`, or a command in which `{0}` stands for the script's path";
            self.report(token, format!("`{name}` is no shell"), Some(hint.to_owned()));
        }
        None
    }

    /// Reports something that GitHub knows and this version does not carry out.
    fn report_unsupported(&mut self, token: &Token, what: &str) {
        self.report(token, format!("`{what}` is not supported yet"), None);
    }

    /// Reports every one of these keys that a mapping has.
    fn report_unsupported_keys(&mut self, token: &Token, keys: &[&str]) {
        for (key, _) in token.entries() {
            if let Some(name) = key.as_str().filter(|name| keys.contains(name)) {
                self.report_unsupported(key, name);
            }
        }
    }

    fn report(&mut self, token: &Token, message: impl Into<String>, hint: Option<String>) {
        self.report_at(token.span.clone(), message.into(), hint);
    }

    fn report_at(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        let diagnostic = self.source.diagnostic(span, message);
        self.diagnostics.push(Diagnostic { hint, ..diagnostic });
    }
}

fn template(token: &Token) -> Template {
    Template::new(token.source(), token.position())
}

/// What stands after `if:`; nothing at all is no condition.
fn condition(token: Option<&Token>) -> Option<Condition> {
    let token = token?;
    let source = token.source();
    if source.trim().is_empty() { None } else { Some(Condition::new(source, token.position())) }
}

fn permissions(token: &Token) -> Permissions {
    match &token.kind {
        TokenKind::String(all) if all == "read-all" => Permissions::ReadAll,
        TokenKind::String(_) => Permissions::WriteAll,
        _ => {
            let scopes = token.entries().iter().map(|(scope, access)| {
                let access = match access.as_str() {
                    Some("write") => Access::Write,
                    Some("read") => Access::Read,
                    _ => Access::None,
                };
                (scope.text(), access)
            });
            Permissions::Scopes(scopes.collect())
        }
    }
}

#[cfg(test)]
mod tests;
