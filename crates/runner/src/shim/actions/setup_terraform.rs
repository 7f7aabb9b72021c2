//! `hashicorp/setup-terraform`: the machine's terraform, with a wrapper before it that measures the
//! time it takes and, as the original's does, hands its output to later steps.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use super::inputs::{Inputs, Known, full};
use super::{ActionWork, Outputs, Undone};
use crate::which::which;

pub(super) const INPUTS: &[Known] = &[
    full("cli_config_credentials_hostname", "app.terraform.io"),
    full("cli_config_credentials_token", ""),
    full("terraform_version", "latest"),
    full("terraform_wrapper", "true"),
];

pub(super) async fn set_up(
    work: &mut ActionWork<'_, '_>,
    inputs: &Inputs,
) -> Result<Outputs, Undone> {
    let hands_on_output = inputs.truth("terraform_wrapper").map_err(Undone::Failed)?;
    let dir = work.job.spec.folders.temp.join("setup-terraform");
    let path: String = {
        let path = work.env.get("PATH").map_or("", String::as_str);
        // A wrapper of an earlier setup is not the real one.
        let real = path.split(':').filter(|folder| Path::new(folder) != dir);
        real.collect::<Vec<_>>().join(":")
    };
    let program = which("terraform", &path, Path::new("/")).ok_or_else(|| {
        Undone::failed(format!(
            "terraform is not on this machine (PATH is {path}). Get it from \
             https://developer.hashicorp.com/terraform/install and put it on PATH."
        ))
    })?;
    let version = ask_version(work, &program).await?;
    if let Some(warning) = version_warning(inputs.text("terraform_version"), &version) {
        work.warn(warning)?;
    }

    let wrapper = wrapper(&program, hands_on_output);
    let write = || {
        fs::create_dir_all(&dir)?;
        write_file(&dir.join("terraform"), 0o755, &wrapper)
    };
    write().map_err(|error| {
        Undone::failed(format!("Cannot write the wrapper in {}: {error}", dir.display()))
    })?;
    let token = inputs.text("cli_config_credentials_token");
    if !token.is_empty() {
        let host = inputs.text("cli_config_credentials_hostname");
        let file = dir.join("terraform.rc");
        write_file(&file, 0o600, &credentials(host, token))
            .map_err(|error| Undone::failed(format!("Cannot write {}: {error}", file.display())))?;
        work.job.log.add_mask(token);
        work.job.clean_up.push(file.clone());
        let variable = ("TF_CLI_CONFIG_FILE".to_owned(), file.display().to_string());
        work.job.environment.add_job_env([variable]);
    }
    let folder = dir.display().to_string();
    work.job.environment.add_job_env([("TERRAFORM_CLI_PATH".to_owned(), folder.clone())]);
    work.job.environment.add_paths([folder]);
    work.say(&format!("terraform {version} from {}", program.display()))?;
    Ok(Outputs::new())
}

async fn ask_version(work: &mut ActionWork<'_, '_>, program: &Path) -> Result<String, Undone> {
    let env = work.env.clone();
    let asking = async {
        let output = tokio::process::Command::new(program)
            .args(["version", "-json"])
            .env_clear()
            .envs(&env)
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("Cannot start {}: {error}.", program.display()))?;
        let answer: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        answer
            .and_then(|answer| Some(answer.get("terraform_version")?.as_str()?.to_owned()))
            .ok_or_else(|| format!("{} does not tell its version.", program.display()))
    };
    work.or_stop(asking).await
}

/// What to say when the version wanted is not the one there is.
fn version_warning(wanted: &str, found: &str) -> Option<String> {
    let is_exact = !wanted.is_empty() && wanted.split('.').all(|part| part.parse::<u32>().is_ok());
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    match wanted {
        "" | "latest" => None,
        _ if is_exact && parts(found).starts_with(&parts(wanted)) => None,
        _ if is_exact => Some(format!(
            "terraform {wanted} is wanted; this machine has {found}, which is used instead."
        )),
        _ => Some(format!(
            "The version range `{wanted}` is not checked; this machine's terraform is {found}."
        )),
    }
}

/// The wrapper stays in the foreground and ignores the signals that the whole group gets, so that
/// terraform alone answers them, unlocks its state and ends; then its time is noted.
fn wrapper(program: &Path, hands_on_output: bool) -> String {
    let program = program.display().to_string().replace('\'', r"'\''");
    let run = if hands_on_output { RUN_AND_HAND_ON } else { RUN };
    format!("#!/usr/bin/env bash\nreal='{program}'\n{NOTE_TIME}{run}")
}

const NOTE_TIME: &str = r#"now() { local t=${EPOCHREALTIME/[.,]/}; printf '%s' "${t%???}"; }
started=$(now)
note() { [ -z "${QNT9_OWN_TIME:-}" ] || printf '%s %s\n' "$started" "$(now)" >>"$QNT9_OWN_TIME"; }
trap : INT TERM HUP
"#;

const RUN: &str = r#""$real" "$@"
status=$?
note
exit "$status"
"#;

/// As the original's wrapper: `stdout`, `stderr` and `exitcode` become outputs of the step, and the
/// exit code 2, by which `plan -detailed-exitcode` says that there are changes, counts as success.
const RUN_AND_HAND_ON: &str = r#"kept=$(mktemp -d "${RUNNER_TEMP:-/tmp}/terraform.XXXXXX") || exit 1
mkfifo "$kept/1" "$kept/2"
tee "$kept/stdout" <"$kept/1" & out=$!
tee "$kept/stderr" <"$kept/2" >&2 & err=$!
"$real" "$@" >"$kept/1" 2>"$kept/2"
status=$?
wait "$out" "$err"
note
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  mark="end-of-terraform-$RANDOM$RANDOM$RANDOM"
  for name in stdout stderr; do
    printf '%s<<%s\n' "$name" "$mark"; cat "$kept/$name"; printf '\n%s\n' "$mark"
  done >>"$GITHUB_OUTPUT"
  printf 'exitcode=%s\n' "$status" >>"$GITHUB_OUTPUT"
fi
rm -rf "$kept"
[ "$status" -ne 2 ] || exit 0
exit "$status"
"#;

fn credentials(host: &str, token: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!("credentials {} {{\n  token = {}\n}}\n", quoted(host), quoted(token))
}

fn write_file(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_not_there_is_said() {
        assert_eq!(version_warning("latest", "1.11.4"), None);
        assert_eq!(version_warning("1.11", "1.11.4"), None);
        assert_eq!(version_warning("1.11.4", "1.11.4"), None);
        assert!(version_warning("1.1", "1.11.4").unwrap().contains("1.11.4"));
        assert!(version_warning("~> 1.11", "1.11.4").unwrap().contains("not checked"));
    }

    fn run(hands_on: bool, script: &str) -> (Option<i32>, String, String, String) {
        let dir = tempfile::TempDir::new().unwrap();
        let real = dir.path().join("it's real");
        write_file(&real, 0o755, &format!("#!/bin/sh\n{script}\n")).unwrap();
        let wrapped = dir.path().join("terraform");
        write_file(&wrapped, 0o755, &wrapper(&real, hands_on)).unwrap();
        let (own, outputs) = (dir.path().join("own"), dir.path().join("outputs"));
        let output = std::process::Command::new(&wrapped)
            .arg("an argument")
            .env("QNT9_OWN_TIME", &own)
            .env("GITHUB_OUTPUT", &outputs)
            .env("RUNNER_TEMP", dir.path())
            .output()
            .unwrap();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said, read(own), read(outputs))
    }

    #[test]
    fn the_wrapper_keeps_the_exit_code_and_notes_the_time() {
        let (code, said, own, outputs) = run(false, "echo \"got $1\"; sleep 0.05; exit 2");
        assert_eq!((code, said.as_str(), outputs.as_str()), (Some(2), "got an argument\n", ""));
        let intervals = crate::own_time::parse(&own, 0, u64::MAX);
        assert!(intervals.len() == 1 && intervals[0].end - intervals[0].start >= 50, "{own}");
    }

    #[test]
    fn the_wrapper_hands_on_what_was_printed() {
        let (code, said, own, outputs) = run(true, "echo one; echo two >&2; exit 2");
        assert_eq!((code, said.as_str()), (Some(0), "one\n"));
        assert_eq!(own.lines().count(), 1);
        let pairs = crate::env_files::parse_pairs(&outputs).unwrap();
        let expected = [("stdout", "one\n"), ("stderr", "two\n"), ("exitcode", "2")];
        let expected: Vec<_> =
            expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(pairs, expected);
        assert_eq!(run(true, "exit 3").0, Some(3));
    }
}
