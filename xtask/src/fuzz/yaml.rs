//! Hostile and damaged workflow files: whatever they hold, reading them must end with a plan or with
//! errors that have a position, in bounded memory, without a panic.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use qnt9_workflow::forecast::{Happening, forecast};
use qnt9_workflow::lint::{self, Surroundings};
use qnt9_workflow::plan::{self, Dialect, Options};
use qnt9_workflow::{Diagnostic, parse};

use super::hostile;
use super::random::Random;
use crate::tools;

/// What reading one file may hold in memory, beside what the process held at first.
const MEMORY_BYTES_MAX: u64 = 50 << 20;
/// Of the processor's time. Reading takes far less; longer is a loop that grows too fast with its input.
const READING_SECONDS_MAX: u64 = 10;
const FOLDER: &str = "target/fuzz-yaml";
const PROGRESS_EVERY: Duration = Duration::from_secs(30);
/// Folders of workflows that are there to be damaged, as far as they are there.
const CORPORA: &[&str] =
    &["qnt9-srs/.github/workflows", "crates/qnt9/tests/mistakes", "../shared/conformance"];

pub(super) fn run(minutes: u64, seed: u64) -> Result<()> {
    fs::create_dir_all(FOLDER).with_context(|| format!("{FOLDER} cannot be made"))?;
    let mut corpus = Vec::new();
    for folder in CORPORA.iter().map(Path::new).filter(|folder| folder.is_dir()) {
        collect(folder, &mut corpus)?;
    }
    tools::say(&format!("{} files to damage, {minutes} minutes, seed {seed}", corpus.len()));
    let mut random = Random::new(seed);
    let mut tally = Tally::default();
    let (started, mut said) = (Instant::now(), Instant::now());
    let held = memory_now()?;
    // What is caught is reported below, with the file that caused it.
    panic::set_hook(Box::new(|_| {}));
    while started.elapsed() < Duration::from_secs(minutes * 60) {
        let text = hostile::file(&mut random, &corpus);
        // Where the stack overflows, nothing can be caught, and this is the file that did it.
        fs::write(Path::new(FOLDER).join("last.yml"), &text)?;
        let failures = attempt(&text, held, &mut tally)?;
        if !failures.is_empty() {
            let name = Path::new(FOLDER).join(format!("failure-{}.yml", tally.failed));
            fs::write(&name, &text)?;
            tools::say(&format!("{}: {}", name.display(), failures.join("; ")));
            tally.failed += 1;
        }
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            tools::say(&format!("{} files after {} s", tally.files, started.elapsed().as_secs()));
        }
    }
    drop(panic::take_hook());
    tally.say();
    if tally.failed > 0 {
        bail!("{} files failed; they lie in {FOLDER}", tally.failed);
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    files: u64,
    accepted: u64,
    failed: u64,
    /// The most memory that reading took, in bytes, by what was done.
    memory: BTreeMap<&'static str, u64>,
    /// The longest that reading took.
    time: BTreeMap<&'static str, Duration>,
}

impl Tally {
    fn say(&self) {
        tools::say(&format!("{} files, {} of them accepted", self.files, self.accepted));
        for (what, bytes) in &self.memory {
            let kib = bytes >> 10;
            let longest = self.time.get(what).map_or(0, |time| time.as_millis());
            tools::say(&format!("  {what}: at most {kib} KiB and {longest} ms"));
        }
        tools::say(&format!("  failed: {}", self.failed));
    }
}

/// Does everything with a text that can be done, and says what went wrong. `held` is the memory that
/// the process held at first: what a file leaves behind counts against the next.
fn attempt(text: &str, held: u64, tally: &mut Tally) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    let mut is_accepted = false;
    let nothing_called = |_: &str| Err("nothing is called".to_owned());
    let server = Options { dialect: Dialect::Server, ..Options::default() };
    let happening = Happening {
        event: "push".to_owned(),
        reference: "refs/heads/main".to_owned(),
        ..Happening::default()
    };
    let kinds: [(&'static str, &mut dyn FnMut() -> Option<String>); 5] = [
        ("plan", &mut || {
            let outcome = plan::read("w.yml", text, &nothing_called, &server);
            is_accepted = outcome.plan.is_some();
            let problems = outcome.problems.iter().chain(&outcome.later);
            let diagnostics: Vec<_> = problems.map(|problem| &problem.diagnostic).collect();
            if !is_accepted && diagnostics.is_empty() {
                return Some("no plan and no error".to_owned());
            }
            misplaced(text, &diagnostics)
        }),
        ("lint", &mut || {
            let findings = lint::check("w.yml", text, &Surroundings::NOTHING);
            misplaced(text, &findings.iter().map(|finding| &finding.diagnostic).collect::<Vec<_>>())
        }),
        ("action", &mut || {
            let outcome = plan::read_action("action.yml", text, &server);
            let problems = outcome.problems.iter();
            misplaced(text, &problems.map(|problem| &problem.diagnostic).collect::<Vec<_>>())
        }),
        ("run", &mut || {
            let diagnostics = parse("w.yml", text).err()?;
            misplaced(text, &diagnostics.iter().collect::<Vec<_>>())
        }),
        ("forecast", &mut || {
            forecast("w.yml", text, &happening, &nothing_called);
            None
        }),
    ];
    for (what, work) in kinds {
        memory_now()?;
        let started = processor_time()?;
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        let took = processor_time()?.saturating_sub(started);
        let memory = memory_peak()?.saturating_sub(held);
        match result {
            Ok(None) => {}
            Ok(Some(problem)) => failures.push(format!("{what}: {problem}")),
            Err(panic) => failures.push(format!("{what}: panic: {}", message(&*panic))),
        }
        if memory > MEMORY_BYTES_MAX {
            failures.push(format!("{what}: {} MiB", memory >> 20));
        }
        if took.as_secs() >= READING_SECONDS_MAX {
            failures.push(format!("{what}: {} s", took.as_secs()));
        }
        let (most, longest) =
            (tally.memory.entry(what).or_default(), tally.time.entry(what).or_default());
        (*most, *longest) = (memory.max(*most), took.max(*longest));
    }
    tally.files += 1;
    tally.accepted += u64::from(is_accepted);
    Ok(failures)
}

/// The first diagnostic that has no place in the text.
fn misplaced(text: &str, diagnostics: &[&Diagnostic]) -> Option<String> {
    let is_placed = |diagnostic: &Diagnostic| {
        diagnostic.line > 0
            && diagnostic.column > 0
            && text.get(diagnostic.span.clone()).is_some()
            && !diagnostic.message.is_empty()
    };
    let found = diagnostics.iter().find(|diagnostic| !is_placed(diagnostic))?;
    Some(format!("an error without a place: {found:?}"))
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}

/// The time that this thread has had of a processor: other work on the machine does not count.
fn processor_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("this needs Linux")?;
    let nanoseconds = text.split_whitespace().next().context("schedstat is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// What this process holds in memory, in bytes; from here on the peak is counted anew.
fn memory_now() -> Result<u64> {
    /// The word that makes Linux forget the peak: proc(5).
    const FORGET_PEAK: &str = "5";
    fs::write("/proc/self/clear_refs", FORGET_PEAK)
        .context("the peak of memory cannot be measured: this needs Linux")?;
    status("VmRSS:")
}

/// The most that it held since, in bytes.
fn memory_peak() -> Result<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("/proc/self/status has no {name}"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}

/// The workflow files below a folder.
fn collect(folder: &Path, corpus: &mut Vec<String>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|found| found == "yml" || found == "yaml");
        if path.is_dir() {
            collect(&path, corpus)?;
        } else if is_yaml {
            // Some cases are not UTF-8 on purpose; the commands say so before reading.
            corpus.extend(fs::read_to_string(&path).ok());
        }
    }
    Ok(())
}
