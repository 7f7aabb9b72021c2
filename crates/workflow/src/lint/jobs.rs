//! `jobs:` and their steps.

use std::rc::Rc;

use super::contexts;
use super::contexts::parse_any;
use super::expressions::Contexts;
use super::types::{ObjectType, Type};
use super::{Role, Walk, codes};
use crate::expression::NodeKind;
use crate::language::{Token, TokenKind};
use crate::template::{OPEN, Segment, segments};
use crate::value::equals_ignoring_case;

impl Walk<'_> {
    pub(super) fn job(
        &mut self,
        workflow: &Contexts,
        root: &Token,
        jobs: &Token,
        id: &Token,
        job: &Token,
    ) {
        let contexts = contexts::of_job(workflow, jobs, job);
        if let Some(condition) = job.get("if") {
            self.scalar(condition, &contexts, Role::Condition);
        }
        for key in [
            "runs-on",
            "strategy",
            "container",
            "services",
            "with",
            "secrets",
            "timeout-minutes",
            "continue-on-error",
            "snapshot",
        ] {
            if let Some(value) = job.get(key) {
                self.tree(value, &contexts, Role::Free);
            }
        }
        self.env(job.get("env"), &contexts);
        self.shells(job.get("defaults"));
        self.numbers(job);
        if let Some(matrix) = job.get("strategy").and_then(|strategy| strategy.get("matrix")) {
            self.matrix(matrix);
        }
        if let Some(runs_on) = job.get("runs-on") {
            let matrix = job.get("strategy").and_then(|strategy| strategy.get("matrix"));
            self.runs_on(runs_on, matrix);
        }
        match job.get("uses") {
            Some(uses) => self.call(uses),
            None => self.steps(id, job, &contexts),
        }
        // Where the job shows itself is told when its steps are over.
        let afterwards = contexts.with("steps", Type::Object(self.steps_of(job)));
        for key in ["name", "environment", "concurrency", "outputs"] {
            if let Some(value) = job.get(key) {
                self.tree(value, &afterwards, Role::Text);
            }
        }
        self.credentials(job);
        self.deployment(root, job, id);
        self.permissions(job.get("permissions"));
        self.unreached_secrets(root, job);
    }

    pub(super) fn steps_of(&self, job: &Token) -> ObjectType {
        let steps = job.get("steps").map_or(&[][..], Token::items).iter();
        let known = steps.filter_map(|step| contexts::step(step, self.surroundings.files));
        ObjectType { properties: Rc::new(known.collect()), rest: None }
    }

    fn steps(&mut self, id: &Token, job: &Token, contexts: &Contexts) {
        let steps = job.get("steps").map_or(&[][..], Token::items);
        if steps.is_empty() {
            let message = format!("the job `{}` has no steps", id.text());
            self.report(&codes::NO_STEPS, id, message, None);
        }
        self.steps_in_turn(job, contexts);
    }

    /// The steps under `steps:`, each with what those before it leave behind.
    pub(super) fn steps_in_turn(&mut self, owner: &Token, contexts: &Contexts) {
        let steps = owner.get("steps").map_or(&[][..], Token::items);
        let mut ran = ObjectType::default();
        for step in steps {
            self.step(step, &contexts.with("steps", Type::Object(ran.clone())));
            if let Some(known) = contexts::step(step, self.surroundings.files) {
                Rc::make_mut(&mut ran.properties).push(known);
            }
        }
    }

    fn step(&mut self, step: &Token, contexts: &Contexts) {
        for (key, value) in step.entries() {
            match key.as_str().unwrap_or_default() {
                "if" => self.scalar(value, contexts, Role::Condition),
                "run" => self.scalar(value, contexts, Role::Script),
                "env" => self.env(Some(value), contexts),
                "shell" => self.shell(value),
                "name" | "working-directory" => self.scalar(value, contexts, Role::Text),
                "with" => self.with(step, value, contexts),
                "uses" => self.action(step, value),
                "parallel" => value.items().iter().for_each(|step| self.step(step, contexts)),
                _ => self.tree(value, contexts, Role::Free),
            }
        }
        self.numbers(step);
    }

    /// The inputs of an action; the script of `actions/github-script` is run.
    fn with(&mut self, step: &Token, with: &Token, contexts: &Contexts) {
        let uses = step.get("uses").map(Token::text).unwrap_or_default();
        let runs_script = uses.starts_with("actions/github-script@");
        if !with.is_mapping() {
            self.scalar(with, contexts, Role::Free);
        }
        for (key, value) in with.entries() {
            let role = match key.as_str() {
                Some("script") if runs_script => Role::Script,
                _ => Role::Text,
            };
            self.scalar(key, contexts, Role::Free);
            self.scalar(value, contexts, role);
        }
    }

    pub(super) fn env(&mut self, env: Option<&Token>, contexts: &Contexts) {
        let Some(env) = env else { return };
        if !env.is_mapping() {
            self.scalar(env, contexts, Role::Free);
        }
        for (key, value) in env.entries() {
            let name = key.text();
            if !key.is_expression() && name.contains(['=', '&', ' ']) {
                let message = format!("`{name}` is no name of an environment variable");
                self.report(&codes::ENV_NAME, key, message, None);
            }
            self.scalar(key, contexts, Role::Free);
            let role = if key.is_expression() { Role::Free } else { Role::Text };
            self.scalar(value, contexts, role);
        }
    }

    pub(super) fn shells(&mut self, defaults: Option<&Token>) {
        let shell = defaults.and_then(|defaults| defaults.get("run")?.get("shell"));
        if let Some(shell) = shell {
            self.shell(shell);
        }
    }

    fn shell(&mut self, shell: &Token) {
        const SHELLS: [&str; 6] = ["bash", "sh", "pwsh", "powershell", "python", "cmd"];
        let name = shell.text();
        let is_known = SHELLS.iter().any(|known| known.eq_ignore_ascii_case(&name));
        if !is_known && !name.contains("{0}") && !shell.source().contains(OPEN) {
            let message = format!("`{name}` is no shell");
            let hint = format!("write `{name} {{0}}`, in which `{{0}}` is the script's path");
            self.report(&codes::SHELL, shell, message, Some(hint));
        }
    }

    fn numbers(&mut self, owner: &Token) {
        for key in ["timeout-minutes", "cancel-timeout-minutes"] {
            if let Some(value) = owner.get(key)
                && let TokenKind::Number(number) = value.kind
                && (number < 0.0 || (number == 0.0 && key == "timeout-minutes"))
            {
                let message = format!("`{key}` must be more than zero");
                self.report(&codes::NUMBER, value, message, None);
            }
        }
        let most = owner.get("strategy").and_then(|strategy| strategy.get("max-parallel"));
        if let Some(value) = most
            && let TokenKind::Number(number) = value.kind
            && (number < 1.0 || number.fract() != 0.0)
        {
            let message = "`max-parallel` must be a whole number of at least 1";
            self.report(&codes::NUMBER, value, message, None);
        }
    }

    /// `uses:` of a job.
    fn call(&mut self, uses: &Token) {
        let reference = uses.text();
        if uses.source().contains(OPEN) {
            return;
        }
        let bad = |message: String| {
            (
                message,
                "write owner/repository/.github/workflows/FILE@REF, or \
            ./.github/workflows/FILE in the same repository"
                    .to_owned(),
            )
        };
        let problem = match reference.strip_prefix("./") {
            Some(path) if path.contains('@') => {
                Some(bad(format!("`{reference}` is a file of this repository, and has no `@`")))
            }
            Some(path) => {
                if (self.surroundings.files)(path).is_none() {
                    let message = format!("there is no file `{path}` in this repository");
                    self.report(&codes::MISSING_CALL, uses, message, None);
                }
                None
            }
            None => {
                let parts = reference.split_once('@').map(|(path, version)| {
                    !version.is_empty()
                        && path.split('/').count() >= 3
                        && path.split('/').all(|part| !part.is_empty() && part != ".")
                });
                (parts != Some(true) && !reference.is_empty())
                    .then(|| bad(format!("`{reference}` names no workflow")))
            }
        };
        if let Some((message, hint)) = problem {
            self.report(&codes::CALL_REFERENCE, uses, message, Some(hint));
        }
    }

    fn credentials(&mut self, job: &Token) {
        let services = job.get("services").map_or(&[][..], Token::entries);
        let containers = services.iter().map(|(_, service)| service).chain(job.get("container"));
        for container in containers {
            let password = container.get("credentials").and_then(|all| all.get("password"));
            if let Some(password) = password.filter(|password| password.as_str().is_some()) {
                let message = "the password stands in the file";
                let hint = Some("set a secret and write `${{ secrets.NAME }}`".to_owned());
                self.report(&codes::CREDENTIALS, password, message, hint);
            }
        }
    }

    /// Jobs with an environment are deployments.
    fn deployment(&mut self, root: &Token, job: &Token, id: &Token) {
        let Some(environment) = job.get("environment") else { return };
        if environment.as_str() == Some("") {
            return;
        }
        if job.get("timeout-minutes").is_none() {
            let message = format!("the deployment `{}` has no time limit", id.text());
            let hint = Some("say `timeout-minutes:`".to_owned());
            self.report(&codes::DEPLOYMENT_TIMEOUT, id, message, hint);
        }
        for concurrency in [job.get("concurrency"), root.get("concurrency")].into_iter().flatten() {
            if let Some(cancel) = concurrency.get("cancel-in-progress")
                && (cancel.as_bool() == Some(true) || cancel.is_expression())
            {
                let message = format!("a newcomer ends the deployment `{}` half-way", id.text());
                let hint =
                    Some("leave it out, and say `queue: max` if none may be lost".to_owned());
                self.report(&codes::DEPLOYMENT_CANCELLED, cancel, message, hint);
            }
        }
    }

    pub(super) fn permissions(&mut self, permissions: Option<&Token>) {
        if let Some(all) = permissions.filter(|all| all.as_str() == Some("write-all")) {
            let message = "the token may write everything";
            let hint = Some("name the scopes that are needed".to_owned());
            self.report(&codes::WIDE_PERMISSIONS, all, message, hint);
        }
    }

    /// Secrets that are set for an environment which is not this job's.
    fn unreached_secrets(&mut self, root: &Token, job: &Token) {
        let Some(known) = self.surroundings.secrets else { return };
        let environment = job
            .get("environment")
            .map(|environment| environment.get("name").unwrap_or(environment));
        if environment.is_some_and(Token::is_expression) {
            return;
        }
        let own = environment.map(Token::text);
        let mut used = Vec::new();
        for token in [Some(job), root.get("env")].into_iter().flatten() {
            collect_secrets(token, &mut used);
        }
        for (token, name) in used {
            let mut places = known.iter().filter(|one| equals_ignoring_case(&one.name, &name));
            let is_reached =
                |one: &super::KnownSecret| one.environment.is_none() || one.environment == own;
            let places: Vec<&super::KnownSecret> = places.by_ref().collect();
            if !places.is_empty() && !places.iter().any(|one| is_reached(one)) {
                let set_for: Vec<&str> =
                    places.iter().filter_map(|one| one.environment.as_deref()).collect();
                let message = format!("the secret `{name}` is empty in this job");
                let hint = format!("it is set for the environment {}", set_for.join(", "));
                self.report(&codes::SECRET_UNREACHED, &token, message, Some(hint));
            }
        }
    }
}

/// The secrets that are named anywhere below a token, with the scalars that name them.
pub(super) fn collect_secrets(token: &Token, found: &mut Vec<(Token, String)>) {
    token.items().iter().for_each(|item| collect_secrets(item, found));
    for (key, value) in token.entries() {
        collect_secrets(key, found);
        collect_secrets(value, found);
    }
    let source = token.source();
    let Ok(parts) = segments(&source) else { return };
    for part in parts {
        if let Segment::Expression(span) = part
            && let Ok(Some(node)) = parse_any(&source[span])
        {
            let mut names = Vec::new();
            names_of_secrets(&node, &mut names);
            found.extend(names.into_iter().map(|name| (token.clone(), name)));
        }
    }
}

fn names_of_secrets(node: &crate::expression::Node<'_>, names: &mut Vec<String>) {
    if let NodeKind::Index { target, index } = &node.kind
        && let (NodeKind::Context(context), NodeKind::Text(name)) = (&target.kind, &index.kind)
        && context.eq_ignore_ascii_case("secrets")
    {
        names.push(name.to_string());
    }
    node.children().for_each(|child| names_of_secrets(child, names));
}
