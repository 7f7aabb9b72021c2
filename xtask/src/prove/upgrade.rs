//! The program is replaced twice while a job of two minutes runs and a service is used: neither notices.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::Options;
use super::users::Users;
use crate::chaos::fixture::{self, BRANCH, DEVELOPER, PROGRAM};
use crate::chaos::site::{Programs, Site};
use crate::{run, tools};

/// Requests a second.
const RATE: u32 = 100;
const UPGRADES: u32 = 2;
/// Lines that the job prints, half a second each: two minutes.
const LINES: u64 = 240;
/// How long a run may take, the job's two minutes included.
const PATIENCE: Duration = Duration::from_secs(300);
const PULSE: Duration = Duration::from_millis(100);
/// The job's workflow. Its last step asks the platform, so it must find the one that is there then.
const LONG: &str = r#"
on: workflow_dispatch
jobs:
  long:
    runs-on: ubuntu-latest
    steps:
      - run: for n in $(seq /LINES/); do echo "line $n"; sleep 0.5; done; echo counted >> "$WITNESS"
      - run: qnt9 url staging && echo asked >> "$WITNESS"
    env:
      WITNESS: /WITNESS/
"#;

pub(super) fn prove(options: &Options) -> Result<()> {
    let profile = if options.release { &["--release"][..] } else { &[] };
    let build = ["build", "--locked", "-p", "qnt9", "--example", "new_project"];
    run("build", "cargo", &[&build, profile].concat())?;
    let programs = Programs::built_into(options.program.parent().context("it lies in a folder")?)?;
    let site = Site::new(&programs, "upgrade")?;
    site.start()?;
    site.wait_until_ready()?;
    let witness = site.folder().join("long-witness");
    push(&site, &witness)?;
    let delivered = newest(&site)?;
    tools::say("the service is delivered");
    ensure!(over(&site, delivered)?["run"]["result"] == "success", "the service was not delivered");
    let users = Users::start(&address(&site)?, RATE);
    let body = json!({ "workflow": "long.yml", "ref": BRANCH });
    let (status, answer) = site.ask(DEVELOPER, "POST", "/dispatch", &body)?;
    ensure!(status < 300, "the dispatch was answered {status}: {answer}");
    let long = newest(&site)?;
    for upgrade in 1..=UPGRADES {
        wait_for_line(&site, long, LINES * u64::from(upgrade) / u64::from(UPGRADES + 1))?;
        let away = site.upgrade(&programs)?;
        tools::say(&format!("upgrade {upgrade}: no server was ready for {} ms", away.as_millis()));
    }
    let ended = over(&site, long)?;
    let met = users.stop()?;
    tools::say(&format!("users: {} requests, {} failed", met.requests, met.failed()));
    ensure!(met.failures.is_empty(), "requests failed: {:#?}", met.failures);
    ensure!(ended["run"]["result"] == "success", "the job did not succeed: {ended:#}");
    let attempts = ended["jobs"][0]["legs"][0]["attempts"].as_array().context("attempts")?.len();
    ensure!(attempts == 1, "the job took {attempts} attempts");
    let told = std::fs::read_to_string(&witness)?;
    ensure!(told == "counted\nasked\n", "each step was to run once: {told}");
    let lines = site.log(long, "long", 1)?;
    ensure!((1..).zip(&lines).all(|(number, line)| line.0 == number), "a line has a wrong number");
    let counted = lines.iter().filter_map(|(_, text)| text.strip_prefix("line "));
    let expected = (1..=LINES).map(|number| number.to_string());
    ensure!(counted.eq(expected), "a line is missing or there twice");
    tools::say(&format!("job: {LINES} lines, each once"));
    site.stop()?;
    std::fs::remove_dir_all(site.folder()).context("the folder cannot be removed")
}

/// Pushes the service and the long workflow.
fn push(site: &Site, witness: &Path) -> Result<()> {
    let clone = site.folder().join("clone");
    site.git(site.folder(), &["clone", "-q", &site.remote(None), "clone"])?;
    let long = LONG.replace("/LINES/", &LINES.to_string());
    let long = long.replace("/WITNESS/", &witness.display().to_string());
    std::fs::write(clone.join(".github/workflows/long.yml"), long)?;
    std::fs::write(clone.join(PROGRAM), fixture::service(1))?;
    site.git(&clone, &["add", "."])?;
    let (name, email) = ("user.name=dora", "user.email=dora@till.example");
    site.git(&clone, &["-c", name, "-c", email, "commit", "-q", "-m", "A long job"])?;
    let (to, branch) = (site.remote(Some(DEVELOPER)), format!("HEAD:refs/heads/{BRANCH}"));
    site.git(&clone, &["push", "-q", &to, &branch]).map(drop)
}

fn newest(site: &Site) -> Result<u64> {
    let runs = site.get("/runs?limit=1")?;
    runs[0]["id"].as_u64().context("nothing runs")
}

/// The run when it has ended.
fn over(site: &Site, id: u64) -> Result<Value> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let run = site.get(&format!("/runs/{id}"))?;
        if !run["run"]["result"].is_null() {
            return Ok(run);
        }
        std::thread::sleep(PULSE);
    }
    bail!("run {id} does not end")
}

fn wait_for_line(site: &Site, run: u64, number: u64) -> Result<()> {
    let (since, wanted) = (Instant::now(), format!("line {number}"));
    while since.elapsed() < PATIENCE {
        // Until its runner has begun there is no log.
        if let Ok(lines) = site.log(run, "long", 1)
            && lines.iter().any(|(_, text)| *text == wanted)
        {
            return Ok(());
        }
        std::thread::sleep(PULSE);
    }
    bail!("the job does not come to {wanted}")
}

/// `HOST:PORT` of staging.
fn address(site: &Site) -> Result<String> {
    let environments = site.get("/environments")?;
    let environments = environments.as_array().context("a list of environments")?;
    let staging = environments.iter().find(|one| one["name"] == "staging");
    let url = staging.and_then(|staging| staging["services"][0]["url"].as_str());
    Ok(url.context("staging has no address")?.trim_start_matches("http://").to_owned())
}
