//! Writes every page of a made-up project into a folder, to look at them:
//! `cargo run -p qnt9-console --example pages -- FOLDER`.

#[path = "../src/sample.rs"]
mod sample;

use std::path::{Path, PathBuf};

use qnt9_console::log::LogLine;
use qnt9_console::pages::{self, Chosen, JobLog, RunExtras, Search, SignIn};
use qnt9_console::past::Then;
use qnt9_console::time::Clock;
use qnt9_console::{Markup, SignedIn, View, Visitor, assets};
use qnt9_engine::state::Run;
use qnt9_model::{Actor, EnvironmentName, Fact, Millis, Place, Role, RunId, StreamId};
use sample::Sample;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("pages"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    story(&folder)?;
    rolled_back(&folder)?;
    rolling(&folder)?;
    lost(&folder)?;
    earlier(&folder)?;
    differences(&folder)?;
    empty(&folder)
}

fn alice() -> Visitor {
    let csrf = Box::new(|path: &str| format!("proof-for-{path}"));
    let person = SignedIn { name: "alice".to_owned(), role: Role::Admin, demo: true, csrf };
    Visitor { person: Some(person), here: "/p/qnt9-srs".to_owned() }
}

fn write(folder: &Path, name: &str, page: &Markup) -> std::io::Result<()> {
    let mut html = page.clone().into_string();
    for asset in [assets::style(), assets::script(), assets::icon()] {
        let file = asset.path.trim_start_matches('/').replace('/', "-");
        std::fs::write(folder.join(&file), asset.content)?;
        html = html.replace(&asset.path, &file);
    }
    std::fs::write(folder.join(format!("{name}.html")), html)
}

struct Scene {
    sample: Sample,
    clock: Clock,
    visitor: Visitor,
}

impl Scene {
    fn of(sample: Sample, visitor: Visitor) -> Self {
        let clock = Clock { now: sample.now, zone: jiff::tz::TimeZone::UTC };
        Self { sample, clock, visitor }
    }

    fn view(&self) -> View<'_> {
        let Sample { state, stream, .. } = &self.sample;
        View::of(state, stream, &self.clock, &self.visitor, None).expect("the sample has a project")
    }

    fn runs(&self) -> Vec<&Run> {
        self.view().project.runs.values().collect()
    }
}

fn lines(run: &Run, from: u64) -> Vec<LogLine> {
    let texts = [
        "##[group]Run qnt9 load run --environment staging",
        "##[endgroup]",
        "running 100 connections for 21 s against http://127.0.0.1:9012",
        "  \u{1b}[1mhttp_req_failed\u{1b}[0m............: 0.02 %   61 out of 243,180",
        "  \u{1b}[1mhttp_req_duration\u{1b}[0m p(95)....: 231 ms  limit 500 ms",
        "✗ http_req_duration p(99)....: 1,340 ms  limit 1,000 ms  over by 34 %",
        "    all of it on POST /api/v1/stock/search, name queries, since a41d77e (previous good 9f03c1a: 402 ms)",
        "    generator added 0.4 ms at p99: the figure is the service's own",
        "##[warning]availability was just above its limit: 99.52 %",
        "##[error]Process completed with exit code 1.",
    ];
    let line = |(at, text): (usize, &&str)| LogLine {
        number: from + at as u64,
        step: Some(1),
        at: Millis(run.created.0 + 30_000 + at as i64 * 700),
        text: (*text).to_owned(),
    };
    texts.iter().enumerate().map(line).collect()
}

fn extras(run: &Run) -> RunExtras {
    let chosen = pages::chosen(run, "", None).map(|(attempt, open)| Chosen {
        attempt,
        open,
        lines: lines(run, 206),
        live: None,
        trouble: None,
        asked: false,
    });
    RunExtras { chosen, summaries: Vec::new() }
}

fn story(folder: &Path) -> std::io::Result<()> {
    let scene = Scene::of(Sample::story(), alice());
    let view = scene.view();
    let runs = scene.runs();
    write(folder, "home", &pages::home(&view))?;
    write(folder, "runs", &pages::runs(&view, &pages::RunsFilter::default()))?;
    write(folder, "run-failed", &pages::run(&view, runs[2], &extras(runs[2])))?;
    write(folder, "run-good", &pages::run(&view, runs[3], &extras(runs[3])))?;
    write(folder, "run-waiting", &pages::run(&view, runs[4], &extras(runs[4])))?;
    let (attempt, _) = pages::chosen(runs[2], "", None).expect("it has legs");
    let found = lines(runs[2], 206).into_iter().filter(|line| line.text.contains("http")).collect();
    let long = JobLog {
        attempt,
        lines: lines(runs[2], 206_001),
        from: 206_001,
        total: 1_000_000,
        search: Some(Search { text: "http".to_owned(), hits: found, has_more: true }),
        trouble: None,
    };
    write(folder, "log", &pages::job_log(&view, runs[2], &long))?;
    write(folder, "environments", &pages::environments(&view))?;
    let canary = view.project.deployments.values().find(|d| d.steps.len() > 1).expect("one canary");
    write(folder, "deployment", &pages::deployment(&view, canary))?;
    write(folder, "approvals", &pages::approvals(&view))?;
    write(folder, "releases", &pages::releases(&view))?;
    write(folder, "notifications", &pages::notifications(&view))?;
    write(folder, "find", &pages::find(&view))?;
    write(folder, "audit", &pages::audit(&view, &pages::AuditFilter::default(), &audit(&scene)))?;
    let refusal = qnt9_model::Refusal::Excluded {
        person: "carol".to_owned(),
        commit: "9f03c1a".to_owned(),
        environment: "production".into(),
        because: "dispatched it and wrote 1 of its commits".to_owned(),
    };
    write(folder, "refused", &pages::refused(&view, &refusal, "/p/qnt9-srs"))?;
    let demo =
        [("alice", "admin"), ("bob", "approver"), ("carol", "approver"), ("dana", "developer")];
    let demo = demo.map(|(name, role)| (name.to_owned(), role.to_owned())).to_vec();
    let sign_in = SignIn { next: "/", demo, failure: Some("This token is not known here") };
    write(folder, "sign-in", &pages::sign_in(&Visitor::default(), &sign_in))
}

fn audit(scene: &Scene) -> pages::AuditPage {
    let digest = "c0ffee".repeat(10) + "beef";
    let entry = |(sequence, fact): (u64, Fact)| pages::AuditEntry {
        sequence,
        time: scene.clock.now,
        actor: Actor::Platform.to_string(),
        kind: "run-started".to_owned(),
        sentence: qnt9_console::describe(&fact),
        digest: digest.clone(),
    };
    let entries =
        (1..=20).rev().map(|at| entry((at, Fact::RunStarted { run: RunId(at) }))).collect();
    pages::AuditPage { entries, older: Some(1), head: Some((20, digest)), trouble: None }
}

fn rolled_back(folder: &Path) -> std::io::Result<()> {
    let mut sample = Sample::story();
    let waiting = *sample.state.projects[&sample.stream].runs.keys().next_back().expect("runs");
    sample.approve(waiting, "alice", None);
    sample.pass(30_000);
    sample.finish_production(waiting, "9f03c1a", Some(5));
    sample.pass(60_000);
    let scene = Scene::of(sample, alice());
    let view = scene.view();
    let last = view.project.deployments.values().next_back().expect("one was rolled back");
    write(folder, "home-rolled-back", &pages::home(&view))?;
    write(folder, "deployment-rolled-back", &pages::deployment(&view, last))?;
    write(
        folder,
        "run-rolled-back",
        &pages::run(&view, &view.project.runs[&waiting], &extras(&view.project.runs[&waiting])),
    )
}

fn rolling(folder: &Path) -> std::io::Result<()> {
    let mut sample = Sample::story();
    let waiting = *sample.state.projects[&sample.stream].runs.keys().next_back().expect("runs");
    sample.approve(waiting, "alice", None);
    sample.pass(30_000);
    sample.open(waiting, "deploy", "production");
    let attempt = sample.start(waiting, "deploy");
    sample.step(
        &attempt,
        0,
        "Verify that this is the approved plan",
        300,
        qnt9_model::fact::Outcome::Success,
    );
    let place =
        Place { environment: EnvironmentName::from("production"), service: "stock".to_owned() };
    let id = sample.begin_rollout(&attempt, &place, "9f03c1a");
    for percent in [5, 25] {
        sample.step_of_rollout(id, &place, percent, false);
    }
    let scene = Scene::of(sample, Visitor { person: None, here: "/p/qnt9-srs/runs/1".to_owned() });
    let view = scene.view();
    let run = &view.project.runs[&waiting];
    let mut extras = extras(run);
    if let Some(chosen) = &mut extras.chosen {
        chosen.live = Some(pages::LiveStep {
            number: 2,
            name: "Deploy step by step".to_owned(),
            since: Millis(scene.clock.now.0 - 9_000),
        });
    }
    write(folder, "run-running", &pages::run(&view, run, &extras))?;
    write(folder, "deployment-rolling", &pages::deployment(&view, &view.project.deployments[&id]))?;
    write(folder, "home-rolling", &pages::home(&view))
}

/// A run whose runner was lost: what is known, the three decisions and why it stands where it does.
fn lost(folder: &Path) -> std::io::Result<()> {
    let mut sample = Sample::story();
    let waiting = *sample.state.projects[&sample.stream].runs.keys().next_back().expect("runs");
    sample.approve(waiting, "alice", None);
    let attempt = sample.lose_production(waiting);
    sample.pass(90_000);
    let mut scene = Scene::of(sample, alice());
    let page = |scene: &Scene| {
        let view = scene.view();
        let run = &view.project.runs[&attempt.run];
        pages::run(&view, run, &extras(run))
    };
    write(folder, "home-lost", &pages::home(&scene.view()))?;
    write(folder, "run-lost", &page(&scene))?;
    scene.visitor = Visitor::default();
    write(folder, "run-lost-signed-out", &page(&scene))
}

/// The home page as it stood before the last hours: the state of then, and a newer fact.
fn earlier(folder: &Path) -> std::io::Result<()> {
    let sample = Sample::story();
    let then = Then {
        number: sample.state.projects[&sample.stream].sequence,
        fact: Fact::RunStarted { run: RunId(5) },
        by: Actor::Person { name: "carol".to_owned(), demo: true },
        recorded: sample.now,
        newest: 1_204,
        now: Millis(sample.now.0 + 26 * 3_600_000),
    };
    let scene = Scene::of(sample, alice());
    write(folder, "past", &pages::past(&scene.view().then(&then)))?;
    let begin = Scene::of(Sample::new(), Visitor::default());
    let then = Then { number: 1, recorded: begin.clock.now, ..then };
    write(folder, "past-begin", &pages::past(&begin.view().then(&then)))
}

/// Two releases side by side, one and the same release, and one that is not there.
fn differences(folder: &Path) -> std::io::Result<()> {
    let scene = Scene::of(Sample::story(), alice());
    let view = scene.view();
    let built: Vec<_> = view.project.releases.values().collect();
    let [first, .., last] = built[..] else { panic!("the story builds several releases") };
    let page =
        |from, to, releases| pages::difference(&view, &pages::Compared { from, to, releases });
    write(folder, "difference", &page("production", "staging", Ok((first, last))))?;
    let digests = (last.digest.as_str(), first.digest.as_str());
    write(folder, "difference-back", &page(digests.0, digests.1, Ok((last, first))))?;
    write(folder, "difference-none", &page("staging", "staging", Ok((last, last))))?;
    let reason = "there is no release “v9”: give an environment, a digest or a commit".to_owned();
    write(folder, "difference-unknown", &page("v9", "staging", Err(reason)))
}

fn empty(folder: &Path) -> std::io::Result<()> {
    let mut sample = Sample::new();
    let stream = StreamId::from("empty");
    sample.platform_fact(Fact::ProjectCreated {
        project: stream.clone(),
        embedded: false,
        time_scale: 1,
        default_branch: "main".to_owned(),
    });
    sample.stream = stream;
    let scene = Scene::of(sample, Visitor::default());
    let view = scene.view();
    write(folder, "empty-home", &pages::home(&view))?;
    write(folder, "empty-environments", &pages::environments(&view))?;
    write(folder, "empty-runs", &pages::runs(&view, &pages::RunsFilter::default()))
}
