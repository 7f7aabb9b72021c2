//! `qnt9 database copy|backup|verify-backup`: environments' databases, inside a step or outside.
//!
//! Inside a step the server says where an environment's database is and by which key a copy for it is
//! masked, and what came of it is recorded as evidence.

use std::path::Path;
use std::process::ExitCode;

use qnt9_database::{
    Classes, CopyReport, CopyRequest, DatabaseError, DumpTools, Manifest, MaskingKey, Progress,
    back_up, check_classes, copy, verify,
};
use qnt9_runner::postgres::DumpTools as PostgresTools;
use qnt9_server::api::shapes::{EnvironmentDatabase as Told, StepEvidence};
use qnt9_server::machine;
use serde::Serialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Common, DatabaseBackup, DatabaseCopy, EnvironmentDatabase, VerifyBackup};
use crate::client::segment;
use crate::failure::Failure;
use crate::steps::{self, StepCall};
use crate::talk;

/// Evidence that a masked copy was scanned.
const COPY_EVIDENCE: &str = "masked-copy";
/// Evidence that a backup was restored and compared.
const BACKUP_EVIDENCE: &str = "backup";

/// Carries out a command.
pub async fn run(common: &Common, command: &EnvironmentDatabase) -> Result<ExitCode, Failure> {
    match command {
        EnvironmentDatabase::Copy(args) => run_copy(common, args).await,
        EnvironmentDatabase::Backup(args) => run_backup(common, args).await,
        EnvironmentDatabase::VerifyBackup(args) => run_verify(common, args).await,
    }
}

/// Inside a step the server is asked; outside everything must be said.
enum Where {
    Step(StepCall),
    Outside,
}

impl Where {
    fn find() -> Result<Self, Failure> {
        if steps::is_inside() { Ok(Self::Step(StepCall::begin()?)) } else { Ok(Self::Outside) }
    }

    async fn ask(&self, environment: &str) -> Result<Option<Told>, Failure> {
        let Self::Step(call) = self else { return Ok(None) };
        let path =
            format!("/api/v1/step/environment-database?environment={}", segment(environment));
        call.client.get(&path).await.map(Some)
    }

    /// The address as it was given, else as the server tells it; `None` when nothing serves there.
    async fn url(
        &self,
        given: Option<&String>,
        environment: &str,
        flag: &str,
    ) -> Result<Option<String>, Failure> {
        if let Some(url) = given {
            return Ok(Some(url.clone()));
        }
        let told = self.ask(environment).await?.ok_or_else(|| {
            Failure::usage(format!("outside a step the address of {environment} must be given"))
                .hint(format!("{flag} URL, or its variable, which keeps the password to itself"))
        })?;
        Ok(told.url)
    }

    async fn record(&self, kind: &str, passed: bool, summary: String) -> Result<(), Failure> {
        let Self::Step(call) = self else { return Ok(()) };
        let kind = kind.to_owned();
        let body = StepEvidence { call: call.key()?, kind, environment: None, passed, summary };
        call.client.post::<()>("/api/v1/step/evidence", &body).await
    }
}

async fn run_copy(common: &Common, args: &DatabaseCopy) -> Result<ExitCode, Failure> {
    let place = Where::find()?;
    let file = args.classes.display().to_string();
    let text = std::fs::read_to_string(&args.classes)
        .map_err(|error| Failure::because(format!("cannot read {file}"), &error))?;
    let classes = Classes::read(&file, &text).map_err(|problems| problems_of(&problems.0))?;
    let Some(source) = place.url(args.from_url.as_ref(), &args.from, "--from-url").await? else {
        return nothing_serves(&args.from, args.if_serving, "copied");
    };
    let key = key_of(&place, args).await?;
    if args.check {
        let notes = check_classes(&source, &classes, &key).await.map_err(|error| failed(&error))?;
        notes.iter().for_each(|note| talk::say(&format!("note: {note}")));
        let text = format!("every column of {} is classified in {file}", args.from);
        say_data(common, &json!({ "classified": true, "notes": notes }), &text);
        return Ok(ExitCode::SUCCESS);
    }
    let target = place.url(args.to_url.as_ref(), &args.to, "--to-url").await?;
    let target = target.ok_or_else(|| {
        Failure::new(format!("{} serves nothing yet, so its database is not known", args.to))
            .hint("--to-url URL names it: `qnt9 local database create NAME` prints one")
    })?;
    let request = CopyRequest { source: &source, target: &target, classes: &classes, key: &key };
    let made = copy(&request, stopped(), |progress| talk::say(&progress_line(&progress))).await;
    let report = match made {
        Ok(report) => report,
        Err(error) => {
            place
                .record(COPY_EVIDENCE, false, format!("{} to {}: it failed", args.from, args.to))
                .await?;
            return Err(failed(&error));
        }
    };
    steps::output("copied", if report.switched { "true" } else { "false" })?;
    let summary = summary_of(args, &report);
    place.record(COPY_EVIDENCE, report.switched, summary.clone()).await?;
    if common.json {
        talk::json(&report);
    } else {
        talk::line(&text_of(&report, &summary));
    }
    if report.switched {
        return Ok(ExitCode::SUCCESS);
    }
    let failure = Failure::new(format!("the copy holds personal values of {}", args.from));
    let told = report.scan.hits.iter().fold(failure, |failure, hit| {
        let noun = if hit.texts == 1 { "text" } else { "texts" };
        failure.detail(format!("{}: values of {} in {} {noun}", hit.column, hit.of, hit.texts))
    });
    Err(told.detail(format!("{} is as it was; the copy was dropped", args.to)).hint(format!(
        "classify these columns in {file} as what they hold; a column that may hold such \
                       values says why: {{ class = \"keep\", public = \"…\" }}"
    )))
}

async fn run_backup(common: &Common, args: &DatabaseBackup) -> Result<ExitCode, Failure> {
    let place = Where::find()?;
    let Some(url) = place.url(args.url.as_ref(), &args.environment, "--url").await? else {
        return nothing_serves(&args.environment, false, "backed-up");
    };
    let tools = tools().await;
    let manifest =
        back_up(&url, &args.out, tools.as_ref()).await.map_err(|error| failed(&error))?;
    let text = format!(
        "dumped {}: {} rows of {} tables, {} KB, by {}, into {}",
        args.environment,
        manifest.rows(),
        manifest.tables.len(),
        manifest.bytes.div_ceil(1024),
        manifest.by,
        args.out.display()
    );
    say_data(common, &manifest, &text);
    Ok(ExitCode::SUCCESS)
}

async fn run_verify(common: &Common, args: &VerifyBackup) -> Result<ExitCode, Failure> {
    let place = Where::find()?;
    let Some(url) = place.url(args.url.as_ref(), &args.environment, "--url").await? else {
        return verified_nothing(&place, args).await;
    };
    let tools = tools().await;
    let scratch =
        tempfile::tempdir().map_err(|error| Failure::because("a folder for the dump", &error))?;
    let folder = args.backup.as_deref().unwrap_or(scratch.path());
    let verified = verify_in(&url, folder, args, tools.as_ref()).await;
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => {
            let text = format!("{}: {error}", args.environment);
            place.record(BACKUP_EVIDENCE, false, text).await?;
            return Err(failed(&error).hint("the backup is not proved: do not count on it"));
        }
    };
    let Manifest { by, tables, .. } = &verified.manifest;
    let summary = format!(
        "{}: {} rows of {} tables restored and equal, {} min old, by {by}",
        args.environment,
        verified.manifest.rows(),
        tables.len(),
        verified.age_ms / 60_000
    );
    place.record(BACKUP_EVIDENCE, true, summary.clone()).await?;
    say_data(common, &verified, &summary);
    Ok(ExitCode::SUCCESS)
}

async fn verify_in(
    url: &str,
    folder: &Path,
    args: &VerifyBackup,
    tools: Option<&Tools>,
) -> Result<qnt9_database::Verified, DatabaseError> {
    if args.backup.is_none() {
        let manifest = back_up(url, folder, tools).await?;
        talk::say(&format!("dumped by {}: {} rows", manifest.by, manifest.rows()));
    }
    verify(url, folder, tools, machine::now(), args.max_age, stopped()).await
}

/// Where nothing serves there is nothing to lose: that is recorded as what it is.
async fn verified_nothing(place: &Where, args: &VerifyBackup) -> Result<ExitCode, Failure> {
    let code = nothing_serves(&args.environment, args.if_serving, "verified")?;
    let text = format!("{} serves nothing yet: there is nothing to lose", args.environment);
    place.record(BACKUP_EVIDENCE, true, text).await?;
    Ok(code)
}

fn nothing_serves(environment: &str, is_fine: bool, output: &str) -> Result<ExitCode, Failure> {
    let text = format!("{environment} serves nothing with a database yet");
    if !is_fine {
        return Err(Failure::new(text).hint("where that is fine, say --if-serving"));
    }
    steps::output(output, "false")?;
    talk::line(&format!("{text}: nothing is {output}"));
    Ok(ExitCode::SUCCESS)
}

async fn key_of(place: &Where, args: &DatabaseCopy) -> Result<MaskingKey, Failure> {
    let text = match (&args.key_file, place.ask(&args.to).await?) {
        (Some(file), _) => std::fs::read_to_string(file).map_err(|error| {
            Failure::because(format!("cannot read the key {}", file.display()), &error)
        })?,
        (None, Some(told)) => told.masking_key,
        (None, None) => {
            return Err(Failure::usage("outside a step the key must be given: --key-file FILE")
                .hint("make one: openssl rand -hex 32 > staging.key; keep it, so that copies stay alike"));
        }
    };
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| Failure::usage("the key is not 64 hexadecimal digits"))?;
    Ok(MaskingKey::new(key))
}

/// PostgreSQL's own tools of this machine.
struct Tools(PostgresTools);

async fn tools() -> Option<Tools> {
    let path = std::env::var("PATH").unwrap_or_default();
    PostgresTools::find(&path).await.map(Tools)
}

impl DumpTools for Tools {
    fn name(&self) -> String {
        format!("pg_dump {}", self.0.version)
    }

    fn major(&self) -> u32 {
        self.0.major()
    }

    async fn dump(&self, url: &str, snapshot: &str, file: &Path) -> Result<(), String> {
        self.0.dump(url, snapshot, &absolute(file)?).await
    }

    async fn restore(&self, url: &str, file: &Path) -> Result<(), String> {
        self.0.restore(url, &absolute(file)?).await
    }
}

/// The tools run in a folder of their own.
fn absolute(file: &Path) -> Result<std::path::PathBuf, String> {
    std::path::absolute(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Ready when this process is asked to end: what was begun is cleaned up first.
async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn failed(error: &DatabaseError) -> Failure {
    match error {
        DatabaseError::Unclassified(problems) => problems_of(&problems.0),
        DatabaseError::Stopped => Failure::interrupted(),
        error => Failure::new(error.to_string()),
    }
}

fn problems_of(problems: &[qnt9_database::Problem]) -> Failure {
    let count = problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let failure = Failure::new(format!("nothing was copied: {count} {noun} with the classes"));
    problems.iter().fold(failure, |failure, problem| failure.detail(problem.to_string()))
}

fn progress_line(progress: &Progress) -> String {
    match progress {
        Progress::Copied { table, rows } => format!("copied {table}: {rows} rows"),
        Progress::Checking => "adding and checking constraints".to_owned(),
        Progress::Scanning => "looking for personal values".to_owned(),
        Progress::Switching => "switching".to_owned(),
    }
}

fn summary_of(args: &DatabaseCopy, report: &CopyReport) -> String {
    let found: u64 = report.scan.hits.iter().map(|hit| hit.texts).sum();
    format!(
        "{} to {}: {} rows of {} tables, {} values replaced, {} looked for in {} texts, {found} found",
        args.from,
        args.to,
        report.rows,
        report.tables.len(),
        report.replaced,
        report.scan.values,
        report.scan.texts
    )
}

fn text_of(report: &CopyReport, summary: &str) -> String {
    let mut lines: Vec<String> = vec![summary.to_owned()];
    let scan = &report.scan;
    lines.push(format!("constraints: {}, all as in the source and checked", report.constraints));
    lines.push(format!(
        "of {} short and {} common values only their own columns were looked through; {} texts equal \
         a value by chance",
        scan.short, scan.common, scan.coincidences
    ));
    for public in &scan.public {
        lines.push(format!("not looked through: {} ({})", public.column, public.reason));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    let seconds = &report.seconds;
    lines.push(format!(
        "{:.1} s copying, {:.1} s constraints, {:.1} s looking, {:.2} s switching",
        seconds.copy, seconds.constraints, seconds.scan, seconds.switch
    ));
    lines.join("\n")
}

fn say_data(common: &Common, value: &impl Serialize, text: &str) {
    if common.json {
        talk::json(value);
    } else {
        talk::line(text);
    }
}
