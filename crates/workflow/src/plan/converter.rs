//! Tokens to a plan.

use super::grants::{Grants, described};
use super::ids::Ids;
use super::{
    CallJob, CalledFiles, CalledWorkflow, Calls, Options, Plan, PlannedJob, StepsJob, Work, order,
};
use crate::Diagnostic;
use crate::expression::parse as parse_expression;
use crate::expression::{SyntaxError, Vocabulary};
use crate::language::{GRAMMAR, Memory, PROBLEMS_MAX, Problem, Token, TokenKind};
use crate::source::Source;
use crate::template::OPEN;

/// A file that has been read.
pub(super) struct SourceFile {
    pub(super) name: String,
    pub(super) text: String,
}

pub(super) struct Converter<'a> {
    pub(super) options: &'a Options,
    pub(super) files: Vec<SourceFile>,
    pub(super) problems: Vec<Problem>,
    pub(super) memory: Memory,
    pub(super) jobs_count: usize,
}

/// Where an `if:` stands, by its name in the grammar.
#[derive(Clone, Copy)]
pub(super) enum IfKind {
    Job,
    Step,
    Snapshot,
}

impl<'a> Converter<'a> {
    pub(super) fn new(file: &str, text: &str, options: &'a Options, memory: Memory) -> Self {
        let file = SourceFile { name: file.to_owned(), text: text.to_owned() };
        Self { options, files: vec![file], problems: Vec::new(), memory, jobs_count: 0 }
    }

    pub(super) fn plan(&mut self, root: &Token, called: &CalledFiles<'_>) -> Plan {
        let mut plan = Plan {
            on: root.get("on").cloned(),
            env: root.get("env").cloned(),
            defaults: root.get("defaults").cloned(),
            concurrency: root.get("concurrency").cloned(),
            permissions: root.get("permissions").map(Grants::of),
            ..Plan::default()
        };
        if let Some(concurrency) = &plan.concurrency {
            self.check_concurrency(concurrency);
        }
        plan.jobs = root.get("jobs").map(|jobs| self.jobs(jobs)).unwrap_or_default();
        if let Some(permissions) = &plan.permissions {
            for job in &mut plan.jobs {
                job.permissions.get_or_insert_with(|| permissions.clone());
            }
        }
        if self.options.calls == Calls::Follow && self.problems.is_empty() {
            self.follow(&mut plan.jobs, called);
        }
        plan.files = self.files.iter().map(|file| file.name.clone()).collect();
        plan
    }

    pub(super) fn jobs(&mut self, jobs: &Token) -> Vec<PlannedJob> {
        let mut planned = Vec::new();
        for (id, definition) in jobs.entries() {
            self.jobs_count += 1;
            planned.push(self.job(id, definition));
        }
        if self.problems.is_empty() {
            for problem in order::problems(jobs, &planned) {
                self.report_with_hint(&problem.at, problem.message, problem.hint);
            }
        }
        planned
    }

    fn job(&mut self, id: &Token, definition: &Token) -> PlannedJob {
        if let Err(message) = Ids::default().claim(&id.text()) {
            self.report(id, message);
        }
        let mut job = PlannedJob {
            id: id.clone(),
            name: id.clone(),
            needs: Vec::new(),
            condition: success(None),
            permissions: None,
            strategy: None,
            concurrency: None,
            work: Work::Steps(Box::default()),
        };
        let mut steps = StepsJob::default();
        let mut reference = None;
        let (mut input_values, mut secret_values, mut inherits_secrets) = (None, None, false);
        for (key, value) in definition.entries() {
            match key.as_str().unwrap_or_default() {
                "name" if !matches!(value.as_str(), Some("")) => job.name = value.clone(),
                "needs" => {
                    job.needs = match value.is_sequence() {
                        true => value.items().to_vec(),
                        false => vec![value.clone()],
                    }
                }
                "if" => {
                    if let Some(condition) = self.condition(Some(value), IfKind::Job) {
                        job.condition = condition;
                    }
                }
                "permissions" => job.permissions = Some(Grants::of(value)),
                "strategy" => {
                    self.check_strategy(value);
                    job.strategy = Some(value.clone());
                }
                "concurrency" => {
                    self.check_concurrency(value);
                    job.concurrency = Some(value.clone());
                }
                "uses" => reference = Some(value.clone()),
                "with" => input_values = Some(value.clone()),
                "secrets" if value.as_str() == Some("inherit") => inherits_secrets = true,
                "secrets" => secret_values = Some(value.clone()),
                other => self.steps_job(&mut steps, other, value),
            }
        }
        job.work = match reference {
            None => Work::Steps(Box::new(steps)),
            Some(reference) => Work::Call(Box::new(CallJob {
                reference,
                input_values,
                secret_values,
                inherits_secrets,
                called: CalledWorkflow::default(),
            })),
        };
        job
    }

    fn steps_job(&mut self, job: &mut StepsJob, key: &str, value: &Token) {
        let place = match key {
            "runs-on" => {
                self.check_runs_on(value);
                &mut job.runs_on
            }
            "continue-on-error" => &mut job.continue_on_error,
            "timeout-minutes" => &mut job.timeout_minutes,
            "cancel-timeout-minutes" => &mut job.cancel_timeout_minutes,
            "container" => {
                self.check_container(value);
                &mut job.container
            }
            "services" => {
                self.check_services(value);
                &mut job.services
            }
            "env" => &mut job.env,
            "environment" => &mut job.environment,
            "outputs" => &mut job.outputs,
            "defaults" => &mut job.defaults,
            "snapshot" => {
                self.check_snapshot(value);
                &mut job.snapshot
            }
            "steps" => {
                job.steps = self.steps(value);
                return;
            }
            _ => return,
        };
        *place = Some(value.clone());
    }

    pub(super) fn check_concurrency(&mut self, concurrency: &Token) {
        const GROUP_CHARS_MAX: usize = 400;
        let group = concurrency.as_str().or_else(|| concurrency.get("group")?.as_str());
        if group.is_some_and(|group| group.encode_utf16().count() > GROUP_CHARS_MAX) {
            let message =
                format!("Concurrency group name must be less than {GROUP_CHARS_MAX} characters");
            self.report(concurrency, message);
        }
    }

    fn check_runs_on(&mut self, runs_on: &Token) {
        let Some(group) = runs_on.get("group") else { return };
        let Some(name) = group.as_str() else { return };
        let parts: Vec<&str> = name.split('/').collect();
        let advice = "Please use 'organization/' or 'enterprise/' prefix to target a single runner \
                      group.";
        match parts.as_slice() {
            [_] => {}
            [_, ""] => self.report(group, format!("Invalid runs-on group name '{name}'.")),
            ["org" | "organization" | "ent" | "enterprise", _] => {}
            _ => self.report(group, format!("Invalid runs-on group name '{name}'. {advice}")),
        }
    }

    /// The condition that GitHub makes of an `if:`; `None` when it is wrong, which has been said.
    pub(super) fn condition(&mut self, token: Option<&Token>, kind: IfKind) -> Option<Token> {
        let Some(token) = token else { return Some(success(None)) };
        let text = match &token.kind {
            TokenKind::Expression(expression) => expression.clone(),
            _ => token.text(),
        };
        if text.trim().is_empty() {
            return Some(success(Some(token)));
        }
        // An expression that stayed a text is wrong, which has been said.
        if token.as_str().is_some() && token.raw.is_none() && text.contains(OPEN) {
            return None;
        }
        let allowed = GRAMMAR.get(GRAMMAR.named(kind.definition())).allowed;
        let (contexts, functions) = (allowed.contexts(), allowed.functions());
        let vocabulary = Vocabulary { contexts: &contexts, functions: &functions };
        match parse_expression(&text, &vocabulary) {
            Err(error) => {
                self.report_syntax(token, error);
                None
            }
            Ok(None) => Some(success(Some(token))),
            Ok(Some(node)) => {
                let whole = match node.asks_for_status() {
                    true => text,
                    false => format!("success() && ({text})"),
                };
                Some(token.with_kind(TokenKind::Expression(whole)))
            }
        }
    }

    /// Reports permissions that a called workflow or a job of it asks for beyond what its caller has.
    pub(super) fn check_grants(
        &mut self,
        caller: &Token,
        what: &str,
        reference: &str,
        asked: &Grants,
        allowed: Option<&Grants>,
    ) {
        let by_default =
            Grants::by_default(self.options.default_permissions, reference.starts_with("./"));
        let violations = asked.beyond(allowed.unwrap_or(&by_default));
        if violations.is_empty() {
            return;
        }
        let (asked, allowed) = described(&violations);
        self.report(
            caller,
            format!(
                "Error calling workflow '{reference}'. {what} is requesting '{asked}', but is only \
                 allowed '{allowed}'."
            ),
        );
    }

    pub(super) fn report(&mut self, token: &Token, message: impl Into<String>) {
        self.report_with_hint(token, message, None);
    }

    pub(super) fn report_with_hint(
        &mut self,
        token: &Token,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.report_at(token, token.span.clone(), message.into(), hint);
    }

    fn report_at(
        &mut self,
        token: &Token,
        span: std::ops::Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let file = &self.files[token.place.map_or(0, |place| place.file)];
        let position = token.position();
        let on_github =
            format!("{} (Line: {}, Col: {}): {message}", file.name, position.line, position.column);
        let diagnostic = Source::new(&file.name, &file.text).diagnostic(span, message);
        self.problems.push(Problem { diagnostic: Diagnostic { hint, ..diagnostic }, on_github });
    }

    fn report_syntax(&mut self, token: &Token, error: SyntaxError) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let file = &self.files[token.place.map_or(0, |place| place.file)];
        let source = Source::new(&file.name, &file.text);
        let raw = token.source();
        let stretch = error.offset..error.offset + error.length;
        let span = match raw.get(stretch.clone()) {
            Some(_) if token.raw.is_none() => source.locate(&token.span, &raw, stretch),
            _ => token.span.clone(),
        };
        let hint = error.hint.map(|name| format!("did you mean `{name}`?"));
        self.report_at(token, span, error.message, hint);
    }
}

impl IfKind {
    fn definition(self) -> &'static str {
        match self {
            Self::Job => "job-if",
            Self::Step => "step-if",
            Self::Snapshot => "snapshot-if",
        }
    }
}

/// The condition of what has none.
fn success(at: Option<&Token>) -> Token {
    let kind = TokenKind::Expression("success()".to_owned());
    match at {
        Some(token) => token.with_kind(kind),
        None => Token::made(kind),
    }
}
