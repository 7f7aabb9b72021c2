use std::collections::BTreeMap;
use std::ffi::OsString;

use super::contexts::Contexts;
use crate::spec::{JobSecrets, JobSpec};

/// What a step may inherit from the server's own environment. Proxies are left out on purpose: a
/// step speaks to the platform on the loopback interface, and to no other place unless it says so.
const INHERITED: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_RUNTIME_DIR",
    "NIX_SSL_CERT_FILE",
];

const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The properties of `github` that are variables too: those of GitHub's own runner.
const GITHUB_VARIABLES: [&str; 27] = [
    "action",
    "actor",
    "actor_id",
    "api_url",
    "base_ref",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
    "workspace",
];

/// The environment of a job's steps, which grows from step to step.
pub(super) struct Environment {
    /// What stands below everything a workflow says.
    base: BTreeMap<String, String>,
    /// `env:` of the workflow and the job, then what steps wrote to `GITHUB_ENV`.
    job: BTreeMap<String, String>,
    /// What stands above everything: `GITHUB_*`, `RUNNER_*`, `QNT9_*`.
    fixed: BTreeMap<String, String>,
    /// From `GITHUB_PATH`, the latest first.
    paths: Vec<String>,
    bin: String,
}

impl Environment {
    pub(super) fn new(
        spec: &JobSpec,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut base: BTreeMap<String, String> = inherited
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| INHERITED.contains(&name.as_str()) || name.starts_with("LC_"))
            .collect();
        base.entry("PATH".into()).or_insert_with(|| PATH_DEFAULT.into());
        base.insert("CI".into(), "true".into());
        // terraform asks its maker for news unless told not to; a delivery needs no network.
        base.insert("CHECKPOINT_DISABLE".into(), "1".into());
        Self {
            base,
            job: BTreeMap::new(),
            fixed: BTreeMap::new(),
            paths: Vec::new(),
            bin: spec.folders.bin.display().to_string(),
        }
    }

    /// Sets what no workflow can change.
    pub(super) fn fix(&mut self, spec: &JobSpec, secrets: &JobSecrets, contexts: &Contexts) {
        let mut set = |name: &str, value: String| {
            self.fixed.insert(name.to_owned(), value);
        };
        set("GITHUB_ACTIONS", "true".into());
        for name in GITHUB_VARIABLES {
            let value = contexts.github(name);
            if !value.is_empty() {
                set(&format!("GITHUB_{}", name.to_ascii_uppercase()), value);
            }
        }
        for (name, value) in runner_context(spec) {
            set(&format!("RUNNER_{}", name.to_ascii_uppercase()), value);
        }
        set("RUNNER_WORKSPACE", spec.folders.workspace.display().to_string());
        set("RUNNER_TRACKING_ID", spec.tracking_id());
        set("QNT9_URL", spec.server_url.clone());
        set("QNT9_TOKEN", secrets.token.clone());
        set("QNT9_JOB", spec.job.clone());
        set("QNT9_ATTEMPT", format!("{}.{}.{}", spec.run, spec.job, spec.attempt));
    }

    /// Adds to what every step sees unless the workflow says otherwise.
    pub(super) fn set_default(&mut self, name: &str, value: String) {
        self.base.insert(name.to_owned(), value);
    }

    /// Adds `env:` of the workflow or the job, or a step's `GITHUB_ENV`. The later wins.
    pub(super) fn add_job_env(&mut self, env: impl IntoIterator<Item = (String, String)>) {
        self.job.extend(env);
    }

    /// Puts folders before all others; of several, the last one comes first.
    pub(super) fn add_paths(&mut self, paths: impl IntoIterator<Item = String>) {
        for path in paths {
            self.paths.retain(|known| *known != path);
            self.paths.insert(0, path);
        }
    }

    /// What `GITHUB_PATH` put first, the latest first.
    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    /// The `env` context before a step's own `env:`.
    pub(super) fn job_env(&self) -> &BTreeMap<String, String> {
        &self.job
    }

    /// The whole environment of a step's process.
    pub(super) fn of_step(
        &self,
        step_env: &BTreeMap<String, String>,
        step_fixed: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut env = self.base.clone();
        env.extend(self.job.clone());
        env.extend(step_env.clone());
        env.extend(self.fixed.clone());
        env.extend(step_fixed);
        let inherited = env.get("PATH").map_or(PATH_DEFAULT, String::as_str);
        let mut folders: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        folders.extend([self.bin.as_str(), inherited]);
        let path = folders.join(":");
        env.insert("PATH".into(), path);
        env
    }
}

/// The `runner` context.
pub(super) fn runner_context(spec: &JobSpec) -> [(&'static str, String); 6] {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "X64",
        "aarch64" => "ARM64",
        "arm" => "ARM",
        other => other,
    };
    [
        ("name", "qnt9 local".into()),
        ("os", "Linux".into()),
        ("arch", arch.into()),
        ("temp", spec.folders.temp.display().to_string()),
        ("tool_cache", spec.folders.tool_cache.display().to_string()),
        ("environment", "self-hosted".into()),
    ]
}
