//! An exported log, read forwards and backwards: the state, the outstanding orders and the auditor's
//! books as they were after any fact.
//!
//! Texts are not exported: what users put in stays sealed, and is shown as such.

use std::collections::BTreeMap;

use qnt9_engine::apply::apply;
use qnt9_engine::state::LegPhase;
use qnt9_engine::{State, deadline, orders};
use qnt9_model::{Entry, Millis, StreamId};
use serde::Serialize;

use crate::audit::Auditor;
use crate::told;

/// A state is kept every so many facts, so that going back is quick.
const CHECKPOINT_FACTS: usize = 20_000;

/// The facts of an export in the order of time, and the place at which one looks.
#[derive(Clone, Debug)]
pub struct Reader {
    entries: Vec<Entry>,
    at: usize,
    state: State,
    checkpoints: BTreeMap<usize, State>,
    broken: Vec<BrokenAt>,
    is_audited: bool,
}

/// A line of the export cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is neither a fact nor the head of a stream")]
pub struct ReadError {
    /// Its number, from 1.
    pub line: usize,
    /// What does not fit.
    #[source]
    pub source: qnt9_model::entry::EntryError,
}

/// A place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// After so many facts of all streams.
    Fact(usize),
    /// At that moment.
    Time(Millis),
    /// After this entry of a stream, or of the stream that has most entries.
    Sequence(Option<StreamId>, u64),
}

/// An invariant that a fact broke.
#[derive(Clone, Debug, Serialize)]
pub struct BrokenAt {
    /// After so many facts.
    pub fact: usize,
    /// The invariant's name.
    pub invariant: String,
    /// What was found.
    pub detail: String,
}

/// Everything at one place.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Facts until here, and in all.
    pub fact: usize,
    /// Facts in all.
    pub facts: usize,
    /// When the last of them was decided, RFC 3339.
    pub time: String,
    /// The last of them in one line.
    pub last: Option<String>,
    /// Every project.
    pub projects: Vec<ProjectView>,
    /// The next moment at which time alone changes something, RFC 3339.
    pub due: Option<String>,
    /// What was broken until here.
    pub broken: Vec<BrokenAt>,
    /// Whether the invariants were checked: that needs the platform's stream too.
    pub audited: bool,
}

/// A project at one place.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectView {
    /// Its name.
    pub project: String,
    /// Entries of its stream until here.
    pub sequence: u64,
    /// Runs that go on.
    pub runs: Vec<RunView>,
    /// Environments that are held, serve or roll out.
    pub environments: Vec<EnvironmentView>,
    /// What the outside is to do.
    pub orders: Vec<String>,
}

/// A run that goes on.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    /// Its id.
    pub run: u64,
    /// The workflow's file.
    pub workflow: String,
    /// The commit, short.
    pub commit: String,
    /// Whether it left its group's queue.
    pub started: bool,
    /// Each job, and where it stands.
    pub jobs: Vec<(String, String)>,
}

/// An environment's place for a service.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentView {
    /// `production/stock`.
    pub place: String,
    /// The release that serves.
    pub serves: Option<String>,
    /// The release that rolls out, and how far it has come.
    pub rolls_out: Option<String>,
    /// The job that holds the environment.
    pub held_by: Option<String>,
}

impl Reader {
    /// Reads an export: its streams are put in the order of time. Stands after its last fact.
    ///
    /// # Errors
    /// The first line that cannot be read. Whether the chain is whole is for `verify_export` to say.
    pub fn open(text: &str) -> Result<Self, ReadError> {
        let mut streams: BTreeMap<StreamId, Vec<Entry>> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with("{\"head\":") {
                continue;
            }
            let entry = Entry::open(line, &|_| None)
                .map_err(|source| ReadError { line: index + 1, source })?;
            streams.entry(entry.stream.clone()).or_default().push(entry);
        }
        let is_audited = streams.contains_key(&StreamId::platform());
        let entries = in_order_of_time(streams);
        let mut reader = Self {
            at: 0,
            state: State::default(),
            checkpoints: BTreeMap::from([(0, State::default())]),
            broken: if is_audited { audited(&entries) } else { Vec::new() },
            is_audited,
            entries,
        };
        reader.go(reader.entries.len());
        Ok(reader)
    }

    /// How many facts there are.
    #[must_use]
    pub fn facts(&self) -> usize {
        self.entries.len()
    }

    /// After how many facts one looks.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes to the place after so many facts; beyond the end, to the end.
    pub fn go(&mut self, to: usize) {
        let to = to.min(self.entries.len());
        if to < self.at {
            let nearest = self.checkpoints.range(..=to).next_back();
            let (at, state) = nearest.map_or_else(Default::default, |(at, s)| (*at, s.clone()));
            (self.at, self.state) = (at, state);
        }
        while self.at < to {
            apply(&mut self.state, &self.entries[self.at]);
            self.at += 1;
            if self.at.is_multiple_of(CHECKPOINT_FACTS) {
                self.checkpoints.entry(self.at).or_insert_with(|| self.state.clone());
            }
        }
    }

    /// After how many facts a place is; `None` when there is no such entry.
    #[must_use]
    pub fn find(&self, place: &Place) -> Option<usize> {
        match place {
            Place::Fact(fact) => (*fact <= self.entries.len()).then_some(*fact),
            Place::Time(time) => {
                let before = |entry: &&Entry| entry.time <= *time;
                Some(self.entries.iter().take_while(before).count())
            }
            Place::Sequence(stream, sequence) => {
                let stream = stream.clone().or_else(|| self.longest())?;
                let is_it = |entry: &Entry| entry.stream == stream && entry.sequence == *sequence;
                Some(self.entries.iter().position(is_it)? + 1)
            }
        }
    }

    fn longest(&self) -> Option<StreamId> {
        let mut lengths: BTreeMap<&StreamId, u64> = BTreeMap::new();
        for entry in &self.entries {
            *lengths.entry(&entry.stream).or_default() += 1;
        }
        lengths.into_iter().max_by_key(|(_, length)| *length).map(|(stream, _)| stream.clone())
    }

    /// The facts around the place, a line each; the one before it is marked.
    #[must_use]
    pub fn around(&self, before: usize, after: usize) -> Vec<String> {
        let from = self.at.saturating_sub(before);
        let to = (self.at + after).min(self.entries.len());
        let line = |(index, entry): (usize, &Entry)| {
            let mark = if index + 1 == self.at { '▸' } else { ' ' };
            format!("{mark} {:>6}  {}  {}", index + 1, moment(entry.time), told::entry(entry))
        };
        self.entries.iter().enumerate().take(to).skip(from).map(line).collect()
    }

    /// Everything at the place.
    #[must_use]
    pub fn view(&self) -> View {
        let last = self.at.checked_sub(1).and_then(|index| self.entries.get(index));
        let now = last.map(|entry| entry.time).unwrap_or_default();
        View {
            fact: self.at,
            facts: self.entries.len(),
            time: moment(now),
            last: last.map(told::entry),
            projects: self.projects(),
            due: deadline(&self.state, now).map(moment),
            broken: self.broken.iter().filter(|broken| broken.fact <= self.at).cloned().collect(),
            audited: self.is_audited,
        }
    }

    fn projects(&self) -> Vec<ProjectView> {
        let view = |(stream, project): (&StreamId, &qnt9_engine::state::Project)| ProjectView {
            project: stream.to_string(),
            sequence: project.sequence,
            runs: project.live.iter().filter_map(|id| project.runs.get(id)).map(run).collect(),
            environments: environments(project),
            orders: orders(project).iter().map(|order| format!("{order:?}")).collect(),
        };
        self.state.projects.iter().map(view).collect()
    }
}

fn run(run: &qnt9_engine::state::Run) -> RunView {
    let stands = |(key, leg): (&qnt9_model::JobKey, &qnt9_engine::state::LegState)| {
        let stands = match leg.phase {
            LegPhase::Done(outcome, _) => outcome.word().to_owned(),
            phase => format!("{phase:?}").to_lowercase(),
        };
        (key.to_string(), stands)
    };
    RunView {
        run: run.id.0,
        workflow: run.path.clone(),
        commit: run.commit.short().to_owned(),
        started: run.started.is_some(),
        jobs: run.legs.iter().map(stands).collect(),
    }
}

fn environments(project: &qnt9_engine::state::Project) -> Vec<EnvironmentView> {
    let release = |id| {
        let deployment = project.deployments.get(&id)?;
        Some(format!("{} at {} %", deployment.release.short(), deployment.percent))
    };
    let view = |(place, known): (&qnt9_model::Place, &qnt9_engine::state::PlaceState)| {
        let holder = project.holders.get(&place.environment);
        EnvironmentView {
            place: place.to_string(),
            serves: known.serving.and_then(release),
            rolls_out: known.active.and_then(release),
            held_by: holder.map(|(run, job)| format!("{job} of run {run}")),
        }
    };
    project.places.iter().map(view).collect()
}

/// Every stream keeps its own order; between streams the earlier fact comes first, and the platform's
/// at the same moment, for projects are decided on with its people.
fn in_order_of_time(streams: BTreeMap<StreamId, Vec<Entry>>) -> Vec<Entry> {
    let mut queues: Vec<_> =
        streams.into_values().map(|entries| entries.into_iter().peekable()).collect();
    let mut merged = Vec::new();
    loop {
        let next = queues
            .iter_mut()
            .enumerate()
            .filter_map(|(index, queue)| {
                let entry = queue.peek()?;
                let is_project = entry.stream.as_str() != StreamId::PLATFORM;
                Some(((entry.time, is_project), index))
            })
            .min();
        let Some((_, index)) = next else { return merged };
        merged.extend(queues[index].next());
    }
}

/// Everything that the facts break; the books go on behind a broken one as well as they can.
fn audited(entries: &[Entry]) -> Vec<BrokenAt> {
    let mut auditor = Auditor::default();
    let mut broken = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Err(error) = auditor.see(entry) {
            let (invariant, detail) = (error.invariant.to_owned(), error.detail);
            broken.push(BrokenAt { fact: index + 1, invariant, detail });
        }
    }
    broken
}

/// A moment as RFC 3339.
#[must_use]
pub fn moment(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
