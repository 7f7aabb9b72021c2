//! Files and folders that a workflow names and the repository does not have.

use crate::Repository;
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::flow::{Flow, Job};
use crate::reading::Reading;
use crate::repository::{join, name_of};
use crate::yaml::Node;

pub(super) const NO_SUCH_PATH: Code = Code {
    id: "QX2012",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a path that the repository does not have",
    explanation: "The step works in a folder, or reads a file, that is not in the repository and that nothing in the workflow makes: it was \
                  moved, or is called otherwise.",
    example: "defaults:\n  run:\n    working-directory: infra      # the folder is infrastructure",
    fix: "    working-directory: infrastructure",
};

/// Words behind which a script names a file of the repository.
const READS: &[&str] = &[
    "-var-file=",
    "-var-file ",
    "kubectl apply -f ",
    "kubectl apply --filename ",
    "docker build -f ",
    "--env-file ",
    "pip install -r ",
    "helm upgrade --install ",
];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    let repository = reading.repository;
    for flow in &reading.flows {
        for job in flow.jobs() {
            if let Some(folder) = job.working_directory(flow) {
                check_folder(repository, flow, folder, findings);
            }
            for step in job.steps() {
                if let Some(folder) = step.get("working-directory") {
                    check_folder(repository, flow, folder, findings);
                }
                if let Some(uses) =
                    step.get("uses").filter(|uses| uses.text().is_some_and(|u| u.starts_with("./")))
                {
                    check_action(repository, flow, uses, findings);
                }
                if let Some(script) = step.get("run") {
                    check_script(repository, flow, job, step, script, findings);
                }
            }
        }
    }
}

fn check_folder(repository: &Repository, flow: &Flow, node: &Node, findings: &mut Findings) {
    let Some(text) = node.text().filter(|text| is_plain(text)) else { return };
    let Some(path) = join("", text) else { return };
    if path.is_empty() || repository.has_folder(&path) || is_made(flow, &path) {
        return;
    }
    let message =
        format!("the folder `{text}` is not in the repository, and nothing here makes it");
    findings.add(&NO_SUCH_PATH, &flow.file, node.place, message, nearest(repository, &path));
}

fn check_action(repository: &Repository, flow: &Flow, node: &Node, findings: &mut Findings) {
    let Some(path) = node.text().and_then(|text| join("", text)) else { return };
    let has = |name: &str| repository.has_file(&format!("{path}/{name}"));
    if has("action.yml") || has("action.yaml") || has("Dockerfile") || is_made(flow, &path) {
        return;
    }
    let message = format!("there is no action in `{path}`: it has no action.yml");
    findings.add(&NO_SUCH_PATH, &flow.file, node.place, message, nearest(repository, &path));
}

fn check_script(
    repository: &Repository,
    flow: &Flow,
    job: Job<'_>,
    step: &Node,
    script: &Node,
    findings: &mut Findings,
) {
    let folder = step.get("working-directory").or_else(|| job.working_directory(flow));
    let folder = folder.and_then(Node::text).unwrap_or_default();
    let changes_folder = script.text().is_some_and(|text| text.contains("cd "));
    if !is_plain(folder) || changes_folder {
        return;
    }
    for (line, text) in script.lines() {
        for read in READS {
            let Some(at) = text.find(read) else { continue };
            let rest = text[at + read.len()..].trim_start().trim_start_matches(['"', '\'']);
            let end = rest
                .find(|c: char| c.is_whitespace() || "\"';|&)".contains(c))
                .unwrap_or(rest.len());
            let named = &rest[..end];
            // A path that nobody can take for an option, a variable or an address, with a folder or an ending.
            let is_path = named.contains('/') || named.contains('.');
            if !is_plain(named) || !is_path || named.contains("://") || named.starts_with('-') {
                continue;
            }
            let Some(path) = join(folder, named) else { continue };
            if repository.has_file(&path) || repository.has_folder(&path) || is_made(flow, named) {
                continue;
            }
            let message = format!("`{named}` is not in the repository, and nothing here makes it");
            findings.add(
                &NO_SUCH_PATH,
                &flow.file,
                Place::line(line),
                message,
                nearest(repository, &path),
            );
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['$', '*', '<', '~', '`', '{']) && !text.starts_with('/')
        || text.is_empty()
}

/// Whether something in the workflow could make it: a script that writes it, an action that puts it there.
fn is_made(flow: &Flow, path: &str) -> bool {
    let top = path.trim_start_matches("./").split('/').next().unwrap_or(path);
    let name = name_of(path);
    let makes = |line: &str| {
        let words = [
            "mkdir",
            "> ",
            ">",
            "tee ",
            "cp ",
            "mv ",
            "clone",
            "unzip",
            "tar ",
            "-o ",
            "-out",
            "--out",
            "npm run build",
            "touch ",
            "checkout",
        ];
        words.iter().any(|word| line.contains(word)) && (line.contains(top) || line.contains(name))
    };
    let by_script =
        flow.scripts().any(|(_, script)| script.lines().iter().any(|(_, line)| makes(line)));
    let by_action = flow.uses().any(|(_, step, uses)| {
        let fetches = uses.text().is_some_and(|text| {
            ["download-artifact", "checkout", "cache"].iter().any(|word| text.contains(word))
        });
        let to = step.text_at(&["with", "path"]);
        fetches
            && to
                .is_some_and(|to| join("", to).is_some_and(|to| to == top || path.starts_with(&to)))
    });
    by_script || by_action
}

/// The path of the repository that is most like it.
fn nearest(repository: &Repository, path: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    for file in repository.paths() {
        known.push(file.to_owned());
        for (at, _) in file.match_indices('/') {
            known.push(file[..at].to_owned());
        }
    }
    known.sort();
    known.dedup();
    let same_name = known.iter().find(|one| name_of(one) == name_of(path));
    let like = || {
        let scored = known.iter().map(|one| (strsim::jaro_winkler(one, path), one));
        scored
            .filter(|(score, _)| *score > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, one)| one)
    };
    match same_name.or_else(like) {
        Some(found) => format!("did you mean `{found}`?"),
        None => "add it to the repository, or name what there is".to_owned(),
    }
}
