//! `jobs:`

use super::{Lowering, condition, permissions, template};
use crate::language::Token;
use crate::matrix::Matrix;
use crate::value::equals_ignoring_case;
use crate::workflow::{EnvironmentRef, Job, RunsOn, Strategy};

/// Keys of GitHub's language that this version does not carry out.
const UNSUPPORTED: [&str; 7] =
    ["container", "services", "uses", "with", "secrets", "snapshot", "cancel-timeout-minutes"];

impl Lowering<'_> {
    pub(super) fn jobs(&mut self, jobs: &Token) -> Vec<Job> {
        let keys: Vec<String> = jobs.entries().iter().map(|(key, _)| key.text()).collect();
        let entries = jobs.entries().iter();
        entries.filter_map(|(key, job)| self.job(key, job, &keys)).collect()
    }

    fn job(&mut self, key: &Token, job: &Token, keys: &[String]) -> Option<Job> {
        self.report_unsupported_keys(job, &UNSUPPORTED);
        let get = |name: &str| job.get(name);
        Some(Job {
            key: key.text(),
            position: key.position(),
            // An empty name is none.
            name: get("name").map(template),
            needs: needs(get("needs"), keys),
            condition: condition(get("if")),
            strategy: get("strategy").and_then(|token| self.strategy(token)),
            environment: get("environment").and_then(|token| self.environment(token)),
            concurrency: get("concurrency").and_then(|token| self.concurrency(token)),
            env: self.templates(get("env")),
            defaults: self.defaults(get("defaults")),
            outputs: self.templates(get("outputs")),
            timeout_minutes: get("timeout-minutes").map(template),
            continue_on_error: get("continue-on-error").map(template),
            permissions: get("permissions").map(permissions),
            steps: get("steps").map(|steps| self.steps(steps)).unwrap_or_default(),
            // A job that calls a workflow runs nowhere itself, and has been reported.
            runs_on: runs_on(get("runs-on")?),
        })
    }

    fn environment(&mut self, token: &Token) -> Option<EnvironmentRef> {
        if !token.is_mapping() {
            return Some(EnvironmentRef { name: template(token), url: None });
        }
        self.report_unsupported_keys(token, &["deployment"]);
        let url = token.get("url").map(template);
        Some(EnvironmentRef { name: template(token.get("name")?), url })
    }

    fn strategy(&mut self, token: &Token) -> Option<Strategy> {
        if !self.is_written(token, "a mapping") {
            return None;
        }
        let matrix = token.get("matrix");
        if let Some(matrix) = matrix {
            self.report_computed_keys(matrix);
        }
        Some(Strategy {
            matrix: matrix.map(Matrix::of),
            fail_fast: token.get("fail-fast").map(template),
            max_parallel: token.get("max-parallel").map(template),
        })
    }

    fn report_computed_keys(&mut self, token: &Token) {
        token.items().iter().for_each(|item| self.report_computed_keys(item));
        for (key, value) in token.entries() {
            self.is_plain_key(key);
            self.report_computed_keys(value);
        }
    }
}

/// The jobs that are needed, each once and spelled as under `jobs:`.
fn needs(token: Option<&Token>, keys: &[String]) -> Vec<String> {
    let Some(token) = token else { return Vec::new() };
    let named = if token.is_sequence() { token.items() } else { std::slice::from_ref(token) };
    let mut needs: Vec<String> = Vec::new();
    for need in named.iter().map(Token::text) {
        let key = keys.iter().find(|key| equals_ignoring_case(key, &need)).unwrap_or(&need);
        if !needs.contains(key) {
            needs.push(key.clone());
        }
    }
    needs
}

fn runs_on(token: &Token) -> RunsOn {
    let labels = if token.is_mapping() { token.get("labels") } else { Some(token) };
    let labels = match labels {
        None => &[][..],
        Some(list) if list.is_sequence() => list.items(),
        Some(one) => std::slice::from_ref(one),
    };
    RunsOn {
        group: token.get("group").map(template),
        labels: labels.iter().map(template).collect(),
    }
}
