//! Makes a log with a long history, for measurements: pushes to one project and the runs of a workflow
//! of six jobs, as the engine decides them.
//!
//! `cargo run --release -p qnt9-server --example long_log -- DATA KEY_FILE ENTRIES`
#![expect(clippy::print_stdout, reason = "an example says what it made")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use qnt9_engine::{State, step};
use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::entry::NO_PREVIOUS;
use qnt9_model::fact::{Commit, Outcome, RefUpdate, Span};
use qnt9_model::{
    Actor, Ask, AttemptId, Command, Entry, Fact, Millis, Person, PushId, Role, RunId, Sha, StreamId,
};
use qnt9_store::{DataFolder, Log as _, MasterKey, NewEntry, Sqlite, Text};

const PROJECT: &str = "shop";
/// The jobs of the workflow and what each needs.
const JOBS: [(&str, &str); 6] = [
    ("lint", ""),
    ("unit", ""),
    ("api", "lint"),
    ("web", "lint"),
    ("load", "api, web"),
    ("report", "unit, load"),
];
const STEPS: u32 = 5;
/// Entries appended in one transaction.
const BATCH: usize = 4_000;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, key, entries] = args.as_slice() else {
        return Err("usage: long_log DATA KEY_FILE ENTRIES".into());
    };
    let (wanted, key): (usize, _) = (entries.parse()?, MasterKey::load_or_create(Path::new(key))?);
    let folder = DataFolder::open(Path::new(data))?;
    let mut history = History::begin(Sqlite::open(&folder.log(), &key)?)?;
    let mut pushes = 0;
    while history.entries < wanted {
        pushes += 1;
        history.push(pushes)?;
    }
    history.flush()?;
    println!("{} entries of {pushes} pushes in {data}", history.entries);
    Ok(())
}

struct History {
    log: Sqlite,
    state: State,
    workflow: WorkflowFile,
    now: Millis,
    heads: BTreeMap<StreamId, String>,
    pending: Vec<NewEntry>,
    entries: usize,
}

impl History {
    fn begin(log: Sqlite) -> Done<Self> {
        let (now, state) = (Millis(1_700_000_000_000), State::default());
        let (heads, pending, entries) = (BTreeMap::new(), Vec::new(), 0);
        let mut history = Self { log, state, workflow: workflow()?, now, heads, pending, entries };
        let person = Person {
            name: "dora".to_owned(),
            email: "dora@example.org".to_owned(),
            role: Role::Developer,
            demo: false,
        };
        let create = Command::CreateProject {
            project: PROJECT.into(),
            embedded: false,
            time_scale: 1,
            default_branch: "main".to_owned(),
        };
        for command in [Command::AddPerson { person }, create] {
            history.ask(&StreamId::platform(), Actor::Platform, command)?;
        }
        Ok(history)
    }

    fn tell(&mut self, command: Command) -> Done<Vec<Entry>> {
        self.ask(&PROJECT.into(), Actor::Platform, command)
    }

    fn ask(&mut self, stream: &StreamId, by: Actor, command: Command) -> Done<Vec<Entry>> {
        self.now = self.now.plus(137);
        let ask = Ask { stream: stream.clone(), by, command };
        let entries = step(&mut self.state, &ask, self.now)?;
        for entry in &entries {
            let new =
                seal(entry, self.heads.get(&entry.stream).map_or(NO_PREVIOUS, String::as_str))?;
            self.heads.insert(entry.stream.clone(), new.digest().to_string());
            self.pending.push(new);
        }
        self.entries += entries.len();
        if self.pending.len() >= BATCH {
            self.flush()?;
        }
        Ok(entries)
    }

    fn flush(&mut self) -> Done<()> {
        self.log.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// A push by dora, and the run it starts, to its end.
    fn push(&mut self, number: u64) -> Done<()> {
        let sha = |number: u64| Sha::from(format!("{number:040x}"));
        let before = (number > 1).then(|| sha(number - 1));
        let update = RefUpdate {
            reference: "refs/heads/main".to_owned(),
            old: before.clone(),
            new: Some(sha(number)),
        };
        let dora = Actor::Person { name: "dora".to_owned(), demo: false };
        let offer = Command::OfferPush { updates: vec![update.clone()] };
        let offered = self.ask(&PROJECT.into(), dora, offer)?;
        let push = PushId(offered.first().ok_or("the push was not offered")?.sequence);
        let commit = Commit {
            sha: sha(number),
            parents: before.into_iter().collect(),
            author: "Dora".to_owned(),
            email: "dora@example.org".to_owned(),
            title: format!("Change number {number} of the shop's stock keeping").as_str().into(),
        };
        let moved = RefMoved {
            update,
            changed_paths: Some(vec!["src/stock.rs".to_owned()]),
            workflows: vec![self.workflow.clone()],
            policy: None,
        };
        let settle = Command::SettlePush { push, moved: vec![moved], commits: vec![commit] };
        let settled = self.tell(settle)?;
        let created = settled.iter().find(|entry| matches!(entry.fact, Fact::RunCreated { .. }));
        let run = RunId(created.ok_or("the push started no run")?.sequence);
        JOBS.iter().try_for_each(|(job, _)| self.job(run, job))
    }

    fn job(&mut self, run: RunId, job: &str) -> Done<()> {
        let attempt = AttemptId { run, job: job.into(), attempt: 1 };
        self.tell(Command::StartJob { attempt: attempt.clone(), runner: "local".to_owned() })?;
        for number in 0..STEPS {
            let first_line = u64::from(number) * 40 + 1;
            let blob = format!("{:064x}", run.0 * 1_000 + u64::from(number));
            let seal = Command::SealLog { attempt: attempt.clone(), first_line, lines: 40, blob };
            self.tell(seal)?;
            self.tell(Command::FinishStep {
                attempt: attempt.clone(),
                step: number,
                name: format!("Run cargo test --locked --package stock-{number}"),
                outcome: Outcome::Success,
                conclusion: Outcome::Success,
                span: Span { started: self.now, finished: self.now.plus(100) },
                user: true,
                own: Vec::new(),
            })?;
        }
        self.tell(Command::FinishJob {
            attempt,
            result: Outcome::Success,
            outputs: vec![("version".to_owned(), "1.2.3".to_owned())],
            reason: None,
            summary: None,
        })?;
        Ok(())
    }
}

fn workflow() -> Done<WorkflowFile> {
    let steps = "steps: [{ run: a }, { run: b }, { run: c }, { run: d }, { run: e }]";
    let job = |(job, needs): &(&str, &str)| {
        format!("  {job}: {{ runs-on: ubuntu-latest, needs: [{needs}], {steps} }}\n")
    };
    let jobs: String = JOBS.iter().map(job).collect();
    let path = ".github/workflows/ci.yml".to_owned();
    let workflow = qnt9_workflow::parse(&path, &format!("name: CI\non: push\njobs:\n{jobs}"));
    let workflow = workflow.map_err(|problems| format!("{problems:?}"))?;
    Ok(WorkflowFile { path, workflow: Ok(serde_json::to_value(workflow)?) })
}

fn seal(entry: &Entry, previous: &str) -> Done<NewEntry> {
    let mut texts = 0_u128;
    let sealed = entry.seal(previous, &mut || {
        texts += 1;
        ((u128::from(entry.sequence) << 32) | texts).to_le_bytes()
    });
    let texts = sealed.texts.iter().map(|text| Text {
        digest: text.digest.parse().expect("a digest was just computed"),
        salt: text.salt.to_vec(),
        plaintext: text.text.clone().into_bytes(),
    });
    Ok(NewEntry::new(sealed.line.into_bytes(), texts.collect())?)
}
