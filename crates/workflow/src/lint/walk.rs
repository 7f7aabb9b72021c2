//! The way through a workflow: every scalar is looked at with the contexts of its place.

use super::codes;
use super::contexts::{self, parse_any};
use super::expressions::{Contexts, Remark, check, injections};
use super::{Code, Finding, Surroundings};
use crate::Diagnostic;
use crate::language::{Anchor, Token, TokenKind};
use crate::source::Source;
use crate::template::{OPEN, Segment, segments};

pub(super) struct Walk<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) findings: Vec<Finding>,
}

/// What becomes of a scalar's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A text is made of it.
    Text,
    /// It is run.
    Script,
    /// It decides.
    Condition,
    /// It may be anything.
    Free,
}

impl Walk<'_> {
    pub(super) fn workflow(&mut self, root: &Token) {
        let on = root.get("on");
        let of_workflow = contexts::of_workflow(on);
        self.merge_keys(root);
        if let Some(on) = on {
            self.events(on, &of_workflow);
        }
        if let Some(name) = root.get("run-name") {
            self.scalar(name, &of_workflow, Role::Text);
        }
        self.env(root.get("env"), &of_workflow);
        self.shells(root.get("defaults"));
        self.permissions(root.get("permissions"));
        if let Some(concurrency) = root.get("concurrency") {
            self.tree(concurrency, &of_workflow, Role::Text);
        }
        self.unused_grants(root);
        let Some(jobs) = root.get("jobs") else { return };
        self.unreachable(on, jobs);
        for (id, job) in jobs.entries() {
            self.job(&of_workflow, root, jobs, id, job);
        }
        let outputs = on.and_then(|on| on.get("workflow_call")?.get("outputs"));
        let seen = of_workflow.with("jobs", contexts::jobs(jobs));
        for (_, output) in outputs.map_or(&[][..], Token::entries) {
            let Some(value) = output.get("value") else { continue };
            self.scalar(value, &seen, Role::Text);
            if value.as_str() == Some("") {
                self.report(&codes::INPUT, value, "the output has no value", None);
            }
        }
    }

    /// Everything below a token, keys included.
    pub(super) fn tree(&mut self, token: &Token, contexts: &Contexts, role: Role) {
        match &token.kind {
            TokenKind::Sequence(items) => {
                items.iter().for_each(|item| self.tree(item, contexts, role));
            }
            TokenKind::Mapping(entries) => {
                for (key, value) in entries {
                    self.scalar(key, contexts, Role::Free);
                    self.tree(value, contexts, role);
                }
            }
            _ => self.scalar(token, contexts, role),
        }
    }

    /// The expressions of a scalar.
    pub(super) fn scalar(&mut self, token: &Token, contexts: &Contexts, role: Role) {
        let source = token.source();
        if !source.contains(OPEN) {
            if role == Role::Condition {
                self.expression(token, &source, 0..source.len(), contexts, role);
            }
            return;
        }
        let Ok(parts) = segments(&source) else { return };
        if role == Role::Condition && parts.len() > 1 {
            let message = "this is a text, and therefore always true";
            let hint = "put the whole condition into one `${{ }}`".to_owned();
            self.report(&codes::ALWAYS_TRUE, token, message, Some(hint));
        }
        for part in parts {
            if let Segment::Expression(span) = part {
                self.expression(token, &source, span, contexts, role);
            }
        }
    }

    fn expression(
        &mut self,
        token: &Token,
        source: &str,
        span: std::ops::Range<usize>,
        contexts: &Contexts,
        role: Role,
    ) {
        let expression = &source[span.clone()];
        // What cannot be read has been reported by the reader.
        let Ok(Some(node)) = parse_any(expression) else { return };
        let (kind, mut remarks) = check(expression, &node, contexts);
        if matches!(role, Role::Text | Role::Script) && !kind.is_textual() {
            let message =
                format!("`{expression}` is {}, of which no text can be made", kind.name());
            let hint = Some("name a property of it, or use `toJSON`".to_owned());
            let span = node.span.clone();
            remarks.push(Remark { code: &codes::NOT_A_TEXT, span, message, hint });
        }
        if role == Role::Script {
            for (span, path) in injections(&node) {
                let message =
                    format!("`{path}` comes from outside, and is run as part of the script");
                let hint = Some("put it into `env:` and use the variable".to_owned());
                remarks.push(Remark { code: &codes::INJECTION, span, message, hint });
            }
        }
        for remark in remarks {
            let stretch = remark.span.start + span.start..remark.span.end + span.start;
            let place = self.source.locate(&token.span, source, stretch);
            self.report_at(remark.code, place, remark.message, remark.hint);
            if let Some(finding) = self.findings.last_mut() {
                finding.value_line = token.position().line;
            }
        }
    }

    /// Merge keys anywhere, which are keys like others.
    fn merge_keys(&mut self, token: &Token) {
        token.items().iter().for_each(|item| self.merge_keys(item));
        for (key, value) in token.entries() {
            if key.as_str() == Some("<<") {
                let message = "GitHub has no merge keys: `<<` is a key like any other";
                let hint = Some("write the entries out".to_owned());
                self.report(&codes::MERGE_KEY, key, message, hint);
            }
            self.merge_keys(value);
        }
    }

    /// Lists and mappings with keys of two kinds.
    pub(super) fn mixed(&mut self, mixed: &[Token]) {
        for owner in mixed {
            let start = owner.span.start;
            let message = "this has keys that do not go together";
            let hint =
                "a step has `run` or `uses`; a job has `steps`, or `uses` and `with`".to_owned();
            self.report_at(&codes::MIXED_STEP, start..start, message.to_owned(), Some(hint));
        }
    }

    pub(super) fn anchors(&mut self, anchors: &[Anchor]) {
        for anchor in anchors.iter().filter(|anchor| !anchor.is_used) {
            let message = format!("nothing uses the anchor `{}`", anchor.name);
            self.report_at(&codes::ANCHOR, anchor.span.clone(), message, None);
        }
    }

    pub(super) fn report(
        &mut self,
        code: &'static Code,
        token: &Token,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.report_at(code, token.span.clone(), message.into(), hint);
    }

    fn report_at(
        &mut self,
        code: &'static Code,
        span: std::ops::Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        let diagnostic = self.source.diagnostic(span, message);
        let value_line = diagnostic.line;
        let diagnostic = Diagnostic { hint, ..diagnostic };
        self.findings.push(Finding { code, diagnostic, value_line });
    }
}
