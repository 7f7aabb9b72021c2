//! What a step needs to be there before it: the repository's files, a lock file.

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::flow::{Flow, Job};
use crate::reading::Reading;
use crate::repository::join;
use crate::yaml::Node;

pub(super) const NO_LOCK_FILE: Code = Code {
    id: "QX2013",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a command that needs a lock file there is not",
    explanation: "`npm ci`, `cargo --locked` and their like install exactly what the lock file says, and fail without one. So does the cache of \
                  actions/setup-node.",
    example: "- run: npm ci                # package-lock.json is not in the repository",
    fix: "npm install && git add package-lock.json      # and take it out of .gitignore",
};

pub(super) const NO_CHECKOUT: Code = Code {
    id: "QX2014",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a job that works on files it does not have",
    explanation: "A job begins with an empty folder. Without actions/checkout, or an artifact of an earlier job, the command finds nothing.",
    example: "steps:\n  - run: npm ci",
    fix: "steps:\n  - uses: actions/checkout@v4\n  - run: npm ci",
};

/// Command, the lock files of which one is enough.
const LOCKED: &[(&str, &[&str])] = &[
    ("npm ci", &["package-lock.json", "npm-shrinkwrap.json"]),
    ("yarn install --frozen-lockfile", &["yarn.lock"]),
    ("yarn install --immutable", &["yarn.lock"]),
    ("pnpm install --frozen-lockfile", &["pnpm-lock.yaml"]),
    ("poetry install", &["poetry.lock"]),
    ("uv sync --locked", &["uv.lock"]),
    ("uv sync --frozen", &["uv.lock"]),
    ("bundle install --deployment", &["Gemfile.lock"]),
];

/// Commands that work on the files of the repository.
const WORK_ON_FILES: &[&str] = &[
    "npm ci",
    "npm test",
    "npm run ",
    "yarn install",
    "pnpm install",
    "cargo build",
    "cargo test",
    "cargo clippy",
    "pip install -r",
    "pytest",
    "poetry install",
    "go build",
    "go test",
    "mvn ",
    "./gradlew",
    "./mvnw",
    "terraform init",
    "terraform plan",
    "terraform validate",
    "docker build ",
    "helm upgrade",
    "helm lint",
];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs() {
            no_checkout(flow, job, findings);
            for step in job.steps() {
                lock_file(reading, flow, job, step, findings);
            }
        }
    }
}

fn no_checkout(flow: &Flow, job: Job<'_>, findings: &mut Findings) {
    for step in job.steps() {
        // Any action may bring files; so may a script that fetches them.
        if step.get("uses").and_then(Node::text).is_some_and(|uses| !is_preparation(uses)) {
            return;
        }
        let Some(script) = step.get("run") else { continue };
        let fetches = ["git clone", "git init", "gh repo clone", "curl ", "wget ", "tar ", "cd "];
        if script.text().is_some_and(|text| fetches.iter().any(|word| text.contains(word))) {
            return;
        }
        for (line, text) in script.lines() {
            let code = text.trim_start();
            if let Some(command) = WORK_ON_FILES.iter().find(|command| code.starts_with(**command))
            {
                let command = command.trim();
                let message = format!(
                    "the job `{}` has no files of the repository when it calls `{command}`",
                    job.key
                );
                findings.add(
                    &NO_CHECKOUT,
                    &flow.file,
                    Place::line(line),
                    message,
                    "add `- uses: actions/checkout@v4` as the first step",
                );
                return;
            }
        }
    }
}

/// Actions that install a tool and bring no files.
fn is_preparation(uses: &str) -> bool {
    let name = uses.split('@').next().unwrap_or(uses);
    name.starts_with("actions/setup-")
        || [
            "hashicorp/setup-terraform",
            "azure/login",
            "azure/setup-kubectl",
            "azure/setup-helm",
            "docker/setup-buildx-action",
            "docker/login-action",
            "aws-actions/configure-aws-credentials",
            "dtolnay/rust-toolchain",
        ]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn lock_file(
    reading: &Reading<'_>,
    flow: &Flow,
    job: Job<'_>,
    step: &Node,
    findings: &mut Findings,
) {
    let repository = reading.repository;
    let folder = step.get("working-directory").or_else(|| job.working_directory(flow));
    let folder = folder.and_then(Node::text).unwrap_or_default();
    if folder.contains('$') {
        return;
    }
    let is_there = |names: &[&str]| {
        names.iter().filter_map(|name| join(folder, name)).any(|path| repository.has_file(&path))
    };
    if let Some(script) =
        step.get("run").filter(|script| !script.text().is_some_and(|text| text.contains("cd ")))
    {
        for (line, text) in script.lines() {
            let code = text.trim_start();
            let locked = LOCKED
                .iter()
                .find(|(command, _)| code.starts_with(command) && !code.contains("--prefix"));
            let cargo = code.starts_with("cargo ")
                && code.contains("--locked")
                && !code.contains("install");
            let needed = locked
                .map(|(command, files)| (*command, *files))
                .or_else(|| cargo.then_some(("cargo --locked", &["Cargo.lock"][..])));
            let Some((command, files)) = needed else { continue };
            if !is_there(files) {
                let message =
                    format!("`{command}` needs {}, which is not in the repository", files[0]);
                let hint = format!(
                    "commit {} (take it out of .gitignore), or install without a lock",
                    files[0]
                );
                findings.add(&NO_LOCK_FILE, &flow.file, Place::line(line), message, hint);
            }
        }
    }
    let is_setup_node =
        step.text_at(&["uses"]).is_some_and(|uses| uses.starts_with("actions/setup-node@"));
    if let Some(cache) = step.at(&["with", "cache"]).filter(|_| is_setup_node) {
        let files: &[&str] = match cache.text() {
            Some("npm") => &["package-lock.json", "npm-shrinkwrap.json", "yarn.lock"],
            Some("yarn") => &["yarn.lock"],
            Some("pnpm") => &["pnpm-lock.yaml"],
            _ => return,
        };
        let named = step.at(&["with", "cache-dependency-path"]).is_some();
        let at_top = files.iter().any(|name| repository.has_file(name));
        if !named && !at_top {
            let message = format!(
                "the cache of setup-node needs {} at the top of the repository, and fails without it",
                files[0]
            );
            let hint = "name it with `cache-dependency-path`, commit it, or remove `cache`";
            findings.add(&NO_LOCK_FILE, &flow.file, cache.place, message, hint);
        }
    }
}
