//! The workflows that jobs call, and what they call in turn.

use super::converter::{Converter, SourceFile};
use super::grants::Grants;
use super::{CallJob, CalledFiles, Options, PlannedJob, Work, read_file};
use crate::language::{Problem, Token, TokenKind};
use crate::source::Source;
use crate::value::equals_ignoring_case;

/// Why the following of calls ends: the problem has been reported.
struct Stop;

impl Converter<'_> {
    /// Reads what the jobs call, as deep as it goes, until something is wrong.
    pub(super) fn follow(&mut self, jobs: &mut [PlannedJob], called: &CalledFiles<'_>) {
        for job in jobs {
            if self.follow_job(job, called, 1).is_err() || !self.problems.is_empty() {
                return;
            }
        }
    }

    fn follow_job(
        &mut self,
        job: &mut PlannedJob,
        called: &CalledFiles<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        let Work::Call(call) = &mut job.work else { return Ok(()) };
        let depth_max = self.options.limits.calls_depth_max;
        if depth > depth_max {
            let message = format!("Nested reusable workflow depth exceeded {depth_max}.");
            self.report_unplaced(&call.reference, message);
            return Err(Stop);
        }
        let grants = job.permissions.clone();
        let loaded = self.load(&job.id, call, grants.as_ref(), called);
        let loaded = loaded.map(|of_workflow| job.permissions = of_workflow.or(grants));
        self.name_the_caller(&call.reference);
        loaded?;
        if !self.problems.is_empty() {
            return Err(Stop);
        }
        if let Some(jobs_max) = self.options.limits.jobs_max
            && self.jobs_count > jobs_max
        {
            let message = format!("The workflow may not contain more than {jobs_max} jobs");
            self.report_unplaced(&call.reference, message);
            return Err(Stop);
        }
        for nested in &mut call.called.jobs {
            self.follow_job(nested, called, depth + 1)?;
        }
        Ok(())
    }

    /// Reads the called file and takes over what it declares; what it has as `permissions:` comes back.
    fn load(
        &mut self,
        id: &Token,
        call: &mut CallJob,
        grants: Option<&Grants>,
        called: &CalledFiles<'_>,
    ) -> Result<Option<Grants>, Stop> {
        let reference = call.reference.text();
        let text = match called(&reference) {
            Ok(text) => text,
            Err(why) => {
                self.report(&call.reference, format!("cannot read {reference}: {why}"));
                return Err(Stop);
            }
        };
        let known = self.files.iter().position(|file| equals_ignoring_case(&file.name, &reference));
        let number = known.unwrap_or(self.files.len());
        let files_max = self.options.limits.files_max;
        if number >= files_max {
            let message = format!("The maximum file count of {files_max} has been exceeded");
            self.report_unplaced(&call.reference, message);
            return Err(Stop);
        }
        let options: &Options = self.options;
        let reading = read_file(&reference, number, &text, options, &mut self.memory);
        if known.is_none() {
            self.files.push(SourceFile { name: reference.clone(), text });
        }
        self.problems.extend(reading.problems);
        let Some(root) = reading.token.filter(|_| self.problems.is_empty()) else {
            return Err(Stop);
        };
        self.declarations(&root, call);
        call.called.jobs = root.get("jobs").map(|jobs| self.jobs(jobs)).unwrap_or_default();
        Ok(self.narrow(&root, id, &reference, grants, &mut call.called.jobs))
    }

    fn declarations(&mut self, root: &Token, call: &mut CallJob) {
        if let Some(concurrency) = root.get("concurrency") {
            self.check_concurrency(concurrency);
        }
        let on = root.get("on");
        let is_callable = on.is_some_and(|on| {
            let names = on.items().iter().chain(on.entries().iter().map(|(key, _)| key));
            names.chain([on]).any(|name| name.as_str() == Some("workflow_call"))
        });
        if !is_callable {
            let at = on.unwrap_or(root).clone();
            self.report(&at, "workflow_call key is not defined in the referenced workflow.");
            return;
        }
        let declared = on.and_then(|on| on.get("workflow_call"));
        let part = |name: &str| declared.and_then(|declared| declared.get(name)).cloned();
        call.called.input_definitions = part("inputs");
        call.called.secret_definitions = part("secrets");
        call.called.outputs = part("outputs");
        call.called.defaults = root.get("defaults").cloned();
        call.called.env = root.get("env").cloned();
        call.called.concurrency = root.get("concurrency").cloned();
        self.check_inputs(call);
        self.check_secrets(call);
    }

    fn check_inputs(&mut self, call: &CallJob) {
        let definitions = call.called.input_definitions.as_ref().map_or(&[][..], Token::entries);
        for (name, definition) in definitions {
            let kind = definition.get("type").map(Token::text).unwrap_or_default();
            if let Some(default) = definition.get("default") {
                self.check_type(default, &kind);
            }
            match find(call.input_values.as_ref(), &name.text()) {
                Some(value) => self.check_type(value, &kind),
                None if is_required(definition) => {
                    let name = name.text();
                    let message =
                        format!("Input {name} is required, but not provided while calling.");
                    self.report(&call.reference, message);
                }
                None => {}
            }
        }
        self.check_undefined("input", call.called.input_definitions.as_ref(), &call.input_values);
    }

    /// Reports a value that is not of the type of its input.
    fn check_type(&mut self, value: &Token, kind: &str) {
        let is_fitting = matches!(
            (&value.kind, kind),
            (TokenKind::Expression(_), _)
                | (_, "string")
                | (TokenKind::Boolean(_), "boolean")
                | (TokenKind::Number(_), "number")
        );
        if !is_fitting {
            let message = format!("Unexpected value '{}'", value.text());
            self.report_with_hint(value, message, Some(format!("the input is a {kind}")));
        }
    }

    fn check_secrets(&mut self, call: &CallJob) {
        if call.inherits_secrets {
            return;
        }
        let definitions = call.called.secret_definitions.as_ref().map_or(&[][..], Token::entries);
        for (name, definition) in definitions {
            let name = name.text();
            if is_required(definition) && find(call.secret_values.as_ref(), &name).is_none() {
                let message = format!("Secret {name} is required, but not provided while calling.");
                self.report(&call.reference, message);
            }
        }
        self.check_undefined(
            "secret",
            call.called.secret_definitions.as_ref(),
            &call.secret_values,
        );
    }

    fn check_undefined(&mut self, what: &str, definitions: Option<&Token>, given: &Option<Token>) {
        for (name, value) in given.as_ref().map_or(&[][..], Token::entries) {
            let name = name.text();
            if find(definitions, &name).is_none() {
                let message =
                    format!("Invalid {what}, {name} is not defined in the referenced workflow.");
                self.report(value, message);
            }
        }
    }

    /// The permissions of the called workflow's jobs: what they ask for, within what the caller has.
    fn narrow(
        &mut self,
        root: &Token,
        caller: &Token,
        reference: &str,
        allowed: Option<&Grants>,
        jobs: &mut [PlannedJob],
    ) -> Option<Grants> {
        let of_workflow = root.get("permissions").map(Grants::of);
        if let Some(asked) = &of_workflow {
            let what = format!("The workflow '{reference}'");
            self.check_grants(caller, &what, reference, asked, allowed);
        }
        for job in jobs {
            match &job.permissions {
                Some(asked) => {
                    let what = format!("The nested job '{}'", job.name.text());
                    self.check_grants(caller, &what, reference, asked, allowed);
                }
                None => job.permissions = of_workflow.clone().or_else(|| allowed.cloned()),
            }
        }
        of_workflow
    }

    /// Puts where the workflow was called from before errors that do not say it.
    fn name_the_caller(&mut self, reference: &Token) {
        let caller = &self.files[reference.place.map_or(0, |place| place.file)].name;
        let position = reference.position();
        for problem in &mut self.problems {
            if !problem.on_github.starts_with(caller.as_str()) {
                problem.on_github = format!(
                    "In {caller} (Line: {}, Col: {}): Error from called workflow {}",
                    position.line, position.column, problem.on_github
                );
            }
        }
    }

    /// Reports what GitHub gives no place for.
    fn report_unplaced(&mut self, at: &Token, message: String) {
        let file = &self.files[at.place.map_or(0, |place| place.file)];
        let diagnostic = Source::new(&file.name, &file.text).diagnostic(at.span.clone(), message);
        self.problems.push(Problem { on_github: diagnostic.message.clone(), diagnostic });
    }
}

fn find<'t>(mapping: Option<&'t Token>, name: &str) -> Option<&'t Token> {
    let entries = mapping?.entries().iter();
    let mut found = entries.filter(|(key, _)| equals_ignoring_case(&key.text(), name));
    found.next().map(|(_, value)| value)
}

fn is_required(definition: &Token) -> bool {
    definition.get("required").and_then(Token::as_bool) == Some(true)
}
