//! The command line: what can be asked, in one place.

mod data;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use data::{Check, CheckKind, DatabaseBackup, DatabaseCopy, EnvironmentDatabase, VerifyBackup};

/// From push to production on one machine.
#[derive(Debug, Parser)]
#[command(
    name = "qnt9",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 the thing asked for failed, 2 usage, 3 held by a gate, \
                  4 the machine lacks something, 130 interrupted."
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Print data as JSON (JSON Lines where it streams)
    #[arg(long, global = true, help_heading = "For every command")]
    pub json: bool,
    /// The data folder whose server is meant
    #[arg(long, global = true, value_name = "DIR", help_heading = "For every command")]
    pub data: Option<PathBuf>,
    /// The project, where the server has several
    #[arg(long, global = true, value_name = "NAME", help_heading = "For every command")]
    pub project: Option<String>,
    /// Act as this person, whose token this machine keeps
    #[arg(long = "as", global = true, value_name = "PERSON", help_heading = "For every command")]
    pub person: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the platform and deliver the reference system, or a repository of yours, to production
    Up(Up),
    /// Look at a repository and propose what qnt9 needs to deliver it
    Init(Init),
    /// What is going on: environments, running and waiting runs; or what was, at an earlier moment
    Status(Status),
    /// List runs, or show one with its jobs
    Runs(Runs),
    /// Print a job's log
    Logs(Logs),
    /// Start a workflow by hand
    Dispatch(Dispatch),
    /// Approve what waits for an environment
    Approve(Decide),
    /// Reject what waits for an environment
    Reject(Decide),
    /// Stop a run
    Cancel(Cancel),
    /// Run an ended run once more, as a new run of the same commit; or a lost job, as RUN.JOB
    Rerun(Rerun),
    /// Look once more for the lost runner of a job: if it is found, what it did counts
    Resume(LostJob),
    /// Give up a job whose runner was lost: it counts as failed
    Abandon(LostJob),
    /// Decide about a job whose runner was lost, without being asked again
    #[command(hide = true)]
    Resolve(Resolve),
    /// Explain why a run, a job, an environment or a deployment stands where it stands
    Why(Why),
    /// Rules before they bite
    #[command(subcommand)]
    Policy(Policy),
    /// What is where, since when, by whom
    Environments,
    /// List releases, or say what differs between two
    Releases(Releases),
    /// What differs between two releases, or between what two environments serve
    Diff(Diff),
    /// List deployments
    Deployments(Deployments),
    /// Let a blue-green release that waits at its preview have all traffic
    Promote(Promote),
    /// Note why a load test failed, so that the next try may begin
    Note(Note),
    /// Take an environment back to a release that ran there, or stop a rollout
    Rollback(Rollback),
    /// Secrets that jobs get
    #[command(subcommand)]
    Secrets(Secrets),
    /// List notifications
    Notifications,
    /// List evidence, or record some (inside a step)
    Evidence(Evidence),
    /// The log of facts: verify it offline, export it
    #[command(subcommand)]
    Audit(Audit),
    /// Live through seeded worlds in which everything goes wrong, or look into an exported log
    Simulate(Simulate),
    /// Check this machine, a repository, an environment: what is lacking, where, and what to do
    Doctor(Doctor),
    /// Explain a code such as QX3001
    Explain(Explain),
    /// Databases of environments: masked copies, backups, their proof
    #[command(subcommand)]
    Database(EnvironmentDatabase),
    /// Checks of the source tree
    #[command(subcommand)]
    Check(Check),
    /// Workflow files
    #[command(subcommand)]
    Workflow(Workflow),
    /// Evaluate an expression of the workflow language and print its value as JSON
    Expr(Expr),
    /// Run folders of cases that others wrote for the workflow language
    #[command(subcommand)]
    Conformance(Conformance),

    /// Terraform state (inside a step)
    #[command(subcommand)]
    State(State),
    /// Terraform plans that approvals are for (inside a step)
    #[command(subcommand)]
    Plan(Plan),
    /// Build or find a release (inside a step)
    #[command(subcommand)]
    Release(Release),
    /// Deploy a release and wait until its rollout has ended (inside a step)
    Deploy(Deploy),
    /// Print an environment's address (inside a step)
    Url(Url),
    /// Check an environment's health once, through its address (inside a step)
    Health(Health),
    /// Load tests (inside a step)
    #[command(subcommand)]
    Load(Load),
    /// Wait, and have it counted as waiting (inside a step)
    Wait(Wait),
    /// Post a notification (inside a step)
    Notify(Notify),
    /// What only the platform on one machine has (inside a step)
    #[command(subcommand)]
    Local(Local),

    /// Serve a folder of files to browsers: a service's command
    ServeStatic(ServeStatic),

    /// The process of a job
    #[command(hide = true)]
    Shim { dir: PathBuf },
    /// The process of a service's replica
    #[command(hide = true)]
    Replica { dir: PathBuf },
    /// The process that carries the traffic
    #[command(hide = true)]
    Gateway { dir: PathBuf },
}

#[derive(Debug, Args)]
pub struct Up {
    /// Deliver this repository, by its own workflows and rules, in place of the reference system
    #[arg(long, value_name = "DIR", conflicts_with_all = ["empty", "bad_release", "time_scale"])]
    pub project: Option<String>,
    /// Where the dashboard, the API and git are served, on 127.0.0.1 [default: 9009]
    #[arg(long)]
    pub port: Option<u16>,
    /// Take over from the server that works in the data folder; jobs, services and traffic go on
    #[arg(long)]
    pub upgrade: bool,
    /// Deliver without a person, then stop: the demonstration's people approve by themselves
    #[arg(long)]
    pub exit: bool,
    /// Start only the platform
    #[arg(long, conflicts_with_all = ["exit", "bad_release"])]
    pub empty: bool,
    #[command(flatten)]
    pub log: Log,
    /// This server's name among those that share a database
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub replica: String,
    /// How many of a stream's newest entries stay outside the compressed archive; 0 archives nothing
    #[arg(long, value_name = "ENTRIES", default_value_t = 100_000)]
    pub keep_live: u64,
    /// Go on to deliver a release that fails in production, to see it rolled back
    #[arg(long)]
    pub bad_release: bool,
    /// Divide the reference project's declared waits and load test by this [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub time_scale: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The repository
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
    /// Only print what would be written
    #[arg(long, conflicts_with = "force")]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct ServeStatic {
    /// The folder
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Where, on 127.0.0.1; 0 takes any that is free
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The code
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// What to look at [default: this machine, and the repository it is called in]
    #[command(subcommand)]
    pub what: Option<DoctorWhat>,
    /// Only these checks: an id, a category or a code; may be repeated
    #[arg(long, value_name = "ID", global = true, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Not these checks
    #[arg(long, value_name = "ID", global = true, value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Mend what can be mended without a decision
    #[arg(long, global = true)]
    pub fix: bool,
    /// The repository
    #[arg(long = "repo", value_name = "DIR", default_value = ".", global = true)]
    pub repo: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum DoctorWhat {
    /// Tools, folders, keys and tokens of this machine
    Machine,
    /// Every file of a repository that steers its delivery
    Repo,
    /// Workflow files, and what they say beside the others
    Workflow,
    /// An environment: its rules, people, secrets, what serves there
    Env {
        /// The environment
        name: String,
    },
    /// What runs: gateway, replicas, addresses
    Cluster,
}

#[derive(Debug, Args)]
pub struct Status {
    /// As it stood then: `2h ago`, a date, a date and time, or RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "fact")]
    pub at: Option<String>,
    /// As it stood after this fact of the project's log
    #[arg(long, value_name = "N")]
    pub fact: Option<u64>,
}

/// Where the log of facts lies.
#[derive(Clone, Debug, Args)]
pub struct Log {
    /// Keep the log of facts in this PostgreSQL database, which several servers may share
    /// [default: in the data folder]
    #[arg(long, value_name = "URL", env = "QNT9_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    #[command(subcommand)]
    pub retry: Option<RunsCommand>,
    /// Show this run with its jobs
    pub run: Option<u64>,
    /// How many, newest first
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// Only of this workflow: its path, file name or name
    #[arg(long)]
    pub workflow: Option<String>,
    /// Only on this branch or tag
    #[arg(long)]
    pub branch: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Go on from a step of a failed job, on its kept workspace, in a new run that takes over the rest
    Retry(Retry),
}

#[derive(Debug, Args)]
pub struct Retry {
    /// The job that failed, as RUN.JOB
    pub job: String,
    /// The first step to run: its number, from 1, or its name; `qnt9 runs RUN` shows them
    #[arg(long, value_name = "N|NAME")]
    pub from_step: String,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// RUN, or RUN.JOB; a job's key is what `qnt9 runs RUN` shows
    pub subject: String,
    /// Go on until the job ends
    #[arg(short, long)]
    pub follow: bool,
    /// The first line wanted
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    pub from: u64,
    /// An earlier attempt
    #[arg(long)]
    pub attempt: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Dispatch {
    /// The workflow's path, file name or name
    pub workflow: String,
    /// A branch or tag [default: the default branch]
    #[arg(long)]
    pub r#ref: Option<String>,
    /// An input, as `gh workflow run` takes them; may be repeated
    #[arg(short = 'f', long = "field", value_name = "KEY=VALUE", value_parser = key_value)]
    pub fields: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct Decide {
    /// An environment, or a run
    #[arg(value_name = "ENVIRONMENT|RUN")]
    pub subject: String,
    /// Only when it is this commit that waits
    pub commit: Option<String>,
    /// A word about it, kept with the decision
    #[arg(long)]
    pub comment: Option<String>,
}

#[derive(Debug, Args)]
pub struct Cancel {
    /// The run
    pub run: u64,
    /// End its jobs at once, without time to clean up
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Rerun {
    /// An ended run; or RUN.JOB, a job whose runner was lost
    #[arg(value_name = "RUN|RUN.JOB")]
    pub subject: String,
    /// Only the jobs that failed or were cancelled, and the jobs that need them
    #[arg(long, conflicts_with = "job")]
    pub failed: bool,
    /// Only this job, and the jobs that need it
    #[arg(long, value_name = "KEY")]
    pub job: Option<String>,
    /// Of a lost job: do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct LostJob {
    /// The job, as RUN.JOB
    pub job: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Resolve {
    /// The job, as RUN.JOB
    pub job: String,
    /// What becomes of it
    pub decision: Resolution,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Resolution {
    /// Try the job again
    Rerun,
    /// The job failed
    Abandon,
}

#[derive(Debug, Args)]
pub struct Why {
    /// A run, RUN.JOB, an environment, or `deployment ID`
    #[arg(required = true, num_args = 1..=2)]
    pub subject: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Could this person deploy this, there, at that time? Or: what would a changed file have blocked?
    Test(PolicyTest),
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("question").required(true).args(["wisher", "file"])))]
pub struct PolicyTest {
    /// Who would dispatch it
    #[arg(long = "person", value_name = "PERSON", requires = "environment")]
    pub wisher: Option<String>,
    /// Where it would go
    #[arg(long, requires = "wisher")]
    pub environment: Option<String>,
    /// The commit, or its beginning [default: the head of the default branch]
    #[arg(long, requires = "wisher", conflicts_with = "release")]
    pub commit: Option<String>,
    /// The release, by its digest or its beginning
    #[arg(long, requires = "wisher")]
    pub release: Option<String>,
    /// When [default: now]
    #[arg(long, value_name = "TIME", requires = "wisher")]
    pub at: Option<String>,
    /// A changed qnt9.toml, against the last deployments
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How many deployments
    #[arg(long, value_name = "N", default_value_t = 10, requires = "file")]
    pub last: usize,
}

#[derive(Debug, Args)]
pub struct Releases {
    #[command(subcommand)]
    pub diff: Option<ReleasesCommand>,
}

#[derive(Debug, Subcommand)]
pub enum ReleasesCommand {
    /// What differs: commits, configuration, plans, and by whose word each went where
    Diff(Diff),
}

#[derive(Debug, Args)]
pub struct Diff {
    /// The one: an environment, a release's digest or its beginning, or a commit
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The other
    #[arg(value_name = "TO")]
    pub to: String,
}

#[derive(Debug, Args)]
pub struct Promote {
    /// The environment
    pub environment: String,
}

#[derive(Debug, Args)]
pub struct Note {
    /// What failed, as its evidence is called: `load-test`
    pub kind: String,
    /// Where it failed
    #[arg(long)]
    pub environment: String,
    /// Why, for whoever meets it next
    #[arg(long)]
    pub cause: String,
}

#[derive(Debug, Subcommand)]
pub enum DeploymentsCommand {
    /// One deployment in one page: what, where, by whose word, gates, rollout, rollback plan
    Show {
        /// Its number
        id: String,
        /// As Markdown, for a ticket or a wiki
        #[arg(long)]
        markdown: bool,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Deployments {
    #[command(subcommand)]
    pub command: Option<DeploymentsCommand>,
    /// Only of this environment
    #[arg(long)]
    pub environment: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["to", "abort"])))]
pub struct Rollback {
    /// The environment
    pub environment: String,
    /// A release's digest, the beginning of one, or a commit
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Stop the rollout that is going on; the release before it serves again
    #[arg(long)]
    pub abort: bool,
    /// Only say what would happen
    #[arg(long, conflicts_with = "abort")]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Set a secret; its value is read from standard input
    Set(Secret),
    /// List names; values are never given out
    List,
    /// Remove a secret
    Rm(Secret),
    /// What is referenced and absent, present and unused, or of the wrong kind
    Check(SecretsCheck),
}

#[derive(Debug, Args)]
pub struct SecretsCheck {
    /// For jobs of this environment
    #[arg(long, alias = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// The repository whose references count
    #[arg(long = "repo", value_name = "DIR", default_value = ".")]
    pub repo: PathBuf,
    /// Check these values, KEY=VALUE lines, before they are set; asks no server
    #[arg(long, value_name = "FILE")]
    pub values: Option<PathBuf>,
    /// Try the tokens of --values at the services they are for
    #[arg(long, requires = "values")]
    pub live: bool,
}

#[derive(Debug, Args)]
pub struct Secret {
    /// Its name
    pub name: String,
    /// Only for jobs of this environment
    #[arg(long, alias = "env")]
    pub environment: Option<String>,
}

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub struct Evidence {
    #[command(subcommand)]
    pub record: Option<EvidenceCommand>,
}

#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Record evidence of this run's commit, and of the release an environment serves (inside a step)
    Record(RecordEvidence),
}

#[derive(Debug, Args)]
pub struct RecordEvidence {
    /// Its kind, such as `tests`
    pub kind: String,
    /// How it came out
    #[arg(long)]
    pub result: EvidenceResult,
    /// The environment whose release it is about
    #[arg(long)]
    pub environment: Option<String>,
    /// The figures, in one line
    #[arg(long, default_value = "")]
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvidenceResult {
    /// It was proved
    Success,
    /// It was not
    Failure,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Verify every entry's digest, chain and seal, straight from the data folder
    Verify {
        /// Verify an export instead
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        #[command(flatten)]
        log: Log,
    },
    /// Write a stream, or all of them, as JSON Lines that verify without this program's store
    Export {
        /// Only this stream: `platform`, or a project
        #[arg(long)]
        stream: Option<String>,
        #[command(flatten)]
        log: Log,
    },
}

#[derive(Debug, Subcommand)]
pub enum Workflow {
    /// Say exactly what is wrong with workflow files, and what will go wrong
    Check(WorkflowCheck),
    /// Say which workflows, jobs and legs an event would start, and why others would not
    Plan(WorkflowPlan),
    /// Say what a change to the workflows changes: jobs, secrets, permissions, environments
    Diff(WorkflowDiff),
}

#[derive(Debug, Args)]
pub struct Expr {
    /// The expression, with or without `${{ }}` around it
    pub expression: String,
    /// A JSON object with the contexts: {"github": {"ref": "refs/heads/main"}}
    #[arg(long, value_name = "FILE")]
    pub context: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Conformance {
    /// Expressions, in the format of GitHub's own suite
    Expressions {
        /// The folder of .json files
        dir: PathBuf,
    },
    /// Reading workflows, in the format of GitHub's own suite: the plan or the errors, word for word
    Workflows {
        /// The folder of .yml files
        dir: PathBuf,
    },
    /// Findings, in the format of actionlint's suite, by their lines
    Actionlint {
        /// The folder that holds ok, err and examples
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct WorkflowCheck {
    /// The files [default: all in .github/workflows]
    pub files: Vec<PathBuf>,
    /// Print findings for other programs
    #[arg(long, value_enum, conflicts_with = "json")]
    pub format: Option<CheckFormat>,
    /// A label of runners of your own; may be repeated
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<String>,
    /// The secrets that are set, a line each: NAME, or NAME ENVIRONMENT [default: ask the server]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CheckFormat {
    /// SARIF 2.1.0
    Sarif,
}

#[derive(Debug, Args)]
pub struct WorkflowPlan {
    /// The files [default: all in .github/workflows]
    pub files: Vec<PathBuf>,
    /// The event, such as push, pull_request, workflow_dispatch or schedule
    #[arg(long, default_value = "push")]
    pub event: String,
    /// The full name of the ref; of a pull request that of its base branch
    #[arg(long = "ref", value_name = "REF", default_value = "refs/heads/main")]
    pub reference: String,
    /// What GitHub would send, a JSON object
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// An input of workflow_dispatch; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub input: Vec<String>,
    /// The paths that differ [default: not known, which counts as all]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub changed: Vec<String>,
}

#[derive(Debug, Args)]
pub struct WorkflowDiff {
    /// A branch, tag, commit or folder
    pub base: String,
    /// Another one [default: the files as they are here]
    pub head: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum State {
    /// Print what terraform's `backend "http"` needs, as KEY=VALUE lines for $GITHUB_ENV
    Env {
        /// The workspace
        workspace: String,
    },
    /// Say who holds a workspace's lock and whether it is safe to force it; force it
    Unlock(Unlock),
}

#[derive(Debug, Args)]
pub struct Unlock {
    /// The workspace
    pub workspace: String,
    /// Only explain
    #[arg(long)]
    pub explain: bool,
    /// The lock that is meant, as terraform names it: another one is left alone
    #[arg(long, value_name = "ID", conflicts_with = "explain")]
    pub lock: Option<String>,
    /// Do not ask
    #[arg(short, long, conflicts_with = "explain")]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Plan {
    /// Print a plan for people and record its hash for the approvals
    Record(PlanFile),
    /// Fail unless this plan is the recorded one
    Verify(PlanFile),
}

#[derive(Debug, Args)]
pub struct PlanFile {
    /// The environment it is for
    #[arg(long)]
    pub environment: String,
    /// The output of `terraform show -json PLANFILE`
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Release {
    /// Build a release of this run's commit from files
    Build(Build),
    /// Print the digest of the release built from a commit
    Find {
        /// The commit [default: $GITHUB_SHA]
        #[arg(long)]
        commit: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Build {
    /// The service, as in qnt9.toml; repeated, all of them run from this release and roll out together
    #[arg(long = "service", value_name = "NAME", required = true)]
    pub services: Vec<String>,
    /// A file and its path inside the release; may be repeated
    #[arg(long = "file", value_name = "SOURCE=PATH", required_unless_present = "folders", value_parser = key_value)]
    pub files: Vec<(String, String)>,
    /// A folder and where its files go inside the release (`.`: the top); may be repeated
    #[arg(long = "folder", value_name = "SOURCE=PATH", value_parser = key_value)]
    pub folders: Vec<(String, String)>,
    /// A folder with configuration whose digest belongs to the release; may be repeated
    #[arg(long = "config", value_name = "DIR")]
    pub config: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Deploy {
    /// Where
    #[arg(long)]
    pub environment: String,
    /// The release's digest
    #[arg(long, value_name = "DIGEST")]
    pub release: String,
    /// KEY=VALUE lines for the service's environment
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Url {
    /// The environment
    pub environment: String,
    /// The service [default: the first one in qnt9.toml]
    #[arg(long)]
    pub service: Option<String>,
}

#[derive(Debug, Args)]
pub struct Health {
    /// The environment
    #[arg(long)]
    pub environment: String,
    /// The service [default: the first one in qnt9.toml]
    #[arg(long)]
    pub service: Option<String>,
    /// What to ask [default: the service's `health` in qnt9.toml]
    #[arg(long)]
    pub path: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Load {
    /// Drive load against an environment and judge it by thresholds
    Run(LoadRun),
}

#[derive(Debug, Args)]
pub struct LoadRun {
    /// Requests and thresholds [default: homepage, health and stock search]
    pub scenario: Option<PathBuf>,
    /// Where
    #[arg(long)]
    pub environment: String,
    /// Users at the same time
    #[arg(long, default_value_t = 100)]
    pub users: u32,
    /// Seconds at full load, divided by the project's time scale
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub duration: u32,
    /// Seconds until all users are there, divided by the project's time scale
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub ramp_up: u32,
    /// Where results.json and summary.json go
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct Wait {
    /// Seconds, divided by the project's time scale
    pub seconds: u32,
    /// What for
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct Notify {
    /// Its title
    #[arg(long)]
    pub title: String,
    /// Its text
    #[arg(long, default_value = "")]
    pub text: String,
    /// Where to send it; without one it is only kept and shown
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Local {
    /// Databases on the platform's PostgreSQL
    #[command(subcommand)]
    Database(Database),
}

#[derive(Debug, Subcommand)]
pub enum Database {
    /// Have a database of that name, and print its address
    Create { name: String },
    /// Have it no more
    Drop { name: String },
}

/// `KEY=VALUE`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Simulate {
    /// The seeds to live through, the last one left out
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "0..100")]
    pub seeds: std::ops::Range<u64>,
    /// One seed, told fact by fact
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Stop after this fact of that seed
    #[arg(long, value_name = "FACT", requires = "seed")]
    pub until: Option<u64>,
    /// Live through so many days of a team's working hours instead
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
    /// People in that team
    #[arg(long, value_name = "N", default_value_t = 20, requires = "days")]
    pub team: usize,
    /// Seeds lived through at once [default: one per core]
    #[arg(long, value_name = "CORES")]
    pub jobs: Option<usize>,
    /// Look into the log that `qnt9 audit export` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seed", "days"])]
    pub log: Option<PathBuf>,
    /// Where in the log: a sequence number, STREAM:NUMBER, or a time such as 2026-11-23T09:00:00Z
    #[arg(long, value_name = "SEQ|TIME", requires = "log")]
    pub at: Option<String>,
}

fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write two numbers, as in 0..100")?;
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| format!("`{text}` is not a number; write 0..100"))
    };
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("there is no seed in it".to_owned()) } else { Ok(range) }
}

#[cfg(test)]
mod tests;
