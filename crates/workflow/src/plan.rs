//! What GitHub makes of a workflow before it runs: jobs in an order that can be, with ids, conditions,
//! permissions, and the workflows that they call.
//!
//! [`read`] is GitHub's parser whole: what it refuses, it refuses in GitHub's words.

mod calls;
mod containers;
mod converter;
mod events;
mod grants;
mod ids;
mod json;
mod matrix;
mod order;
mod steps;

pub use events::events_json;
pub(crate) use grants::level;
pub use grants::{DefaultPermissions, Grants};
pub use json::{SourcePlaces, to_json};

use crate::language::{
    Anchor, Anchors, Feature, Limits, Memory, Problem, Reading, Token, read as read_tokens,
    readable,
};
use crate::source::Source;
use converter::Converter;

/// How a workflow is read. The default is how GitHub reads one today.
#[derive(Clone, Debug)]
pub struct Options {
    pub dialect: Dialect,
    pub features: Vec<Feature>,
    pub anchors: Anchors,
    pub limits: Limits,
    pub default_permissions: DefaultPermissions,
    pub calls: Calls,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: Dialect::Editor,
            features: vec![Feature::BackgroundSteps, Feature::DeploymentChoice],
            anchors: Anchors::Allowed,
            limits: Limits::default(),
            default_permissions: DefaultPermissions::Read,
            calls: Calls::Skip,
        }
    }
}

/// GitHub has two readers, which differ in what they look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The one that plans runs: of `on:` it reads what other workflows call.
    Server,
    /// The one of its editors: it knows every event and its filters.
    Editor,
}

/// What becomes of jobs that call workflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// The called workflows are read as well.
    Follow,
    /// They are left alone.
    Skip,
}

/// A workflow as GitHub plans it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The files that were read, the workflow itself first. A [`crate::Place`] names them by number.
    pub files: Vec<String>,
    pub on: Option<Token>,
    pub env: Option<Token>,
    pub defaults: Option<Token>,
    pub concurrency: Option<Token>,
    pub permissions: Option<Grants>,
    /// In the order of the file.
    pub jobs: Vec<PlannedJob>,
}

/// One job: one that runs steps, or one that calls a workflow.
#[derive(Clone, Debug)]
pub struct PlannedJob {
    pub id: Token,
    pub name: Token,
    pub needs: Vec<Token>,
    /// With the `success() &&` that GitHub adds.
    pub condition: Token,
    /// Its own, or else those of the workflow; none when neither says.
    pub permissions: Option<Grants>,
    pub strategy: Option<Token>,
    pub concurrency: Option<Token>,
    pub work: Work,
}

#[derive(Clone, Debug)]
pub enum Work {
    Steps(Box<StepsJob>),
    Call(Box<CallJob>),
}

/// What only a job with steps has.
#[derive(Clone, Debug, Default)]
pub struct StepsJob {
    pub runs_on: Option<Token>,
    pub continue_on_error: Option<Token>,
    pub timeout_minutes: Option<Token>,
    pub cancel_timeout_minutes: Option<Token>,
    pub container: Option<Token>,
    pub services: Option<Token>,
    pub env: Option<Token>,
    pub environment: Option<Token>,
    pub outputs: Option<Token>,
    pub defaults: Option<Token>,
    pub snapshot: Option<Token>,
    pub steps: Vec<PlannedStep>,
}

/// What only a job that calls a workflow has.
#[derive(Clone, Debug)]
pub struct CallJob {
    pub reference: Token,
    pub input_values: Option<Token>,
    pub secret_values: Option<Token>,
    pub inherits_secrets: bool,
    /// What the called workflow says.
    pub called: CalledWorkflow,
}

/// What a called workflow declares, and its jobs.
#[derive(Clone, Debug, Default)]
pub struct CalledWorkflow {
    pub input_definitions: Option<Token>,
    pub secret_definitions: Option<Token>,
    pub outputs: Option<Token>,
    pub defaults: Option<Token>,
    pub env: Option<Token>,
    pub concurrency: Option<Token>,
    pub jobs: Vec<PlannedJob>,
}

/// One step of a job.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// As written, or made of what it does.
    pub id: String,
    pub name: Option<Token>,
    /// With the `success() &&` that GitHub adds; steps that only wait or cancel have none.
    pub condition: Option<Token>,
    pub continue_on_error: Option<Token>,
    pub timeout_minutes: Option<Token>,
    pub env: Option<Token>,
    pub is_background: Option<bool>,
    pub action: PlannedAction,
}

#[derive(Clone, Debug)]
pub enum PlannedAction {
    Run { script: Token, shell: Option<Token>, working_directory: Option<Token> },
    Uses { reference: Token, with: Option<Token> },
    Wait { steps: Vec<Token> },
    WaitAll,
    Cancel { step: Token },
    Parallel { steps: Vec<PlannedStep> },
}

/// Takes the reference of a called workflow to its text, or says why it is not to be had.
pub type CalledFiles<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// What became of reading a workflow.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The workflow's own tokens, as far as it could be read.
    pub root: Option<Token>,
    /// The plan; only when there is no problem.
    pub plan: Option<Plan>,
    /// What is wrong, in the order in which GitHub finds it. It does not go on after some.
    pub problems: Vec<Problem>,
    /// What GitHub would find next, once those problems are mended.
    pub later: Vec<Problem>,
    /// The files that were read; the problems name them.
    pub files: Vec<String>,
    pub(crate) anchors: Vec<Anchor>,
    /// The mappings with keys of two kinds.
    pub(crate) mixed: Vec<Token>,
}

/// Reads a workflow and plans it as GitHub does. `file` is its path, which errors repeat.
pub fn read(file: &str, text: &str, called: &CalledFiles<'_>, options: &Options) -> Outcome {
    let mut memory = Memory::default();
    let Reading { token, problems, anchors, mixed } =
        read_file(file, 0, text, options, &mut memory);
    let mut converter = Converter::new(file, text, options, memory);
    let plan = token.as_ref().map(|root| converter.plan(root, called));
    let Converter { problems: found, files, .. } = converter;
    let (problems, later) =
        if problems.is_empty() { (found, Vec::new()) } else { (problems, found) };
    Outcome {
        plan: plan.filter(|_| problems.is_empty()),
        root: token,
        problems,
        later,
        files: files.into_iter().map(|file| file.name).collect(),
        anchors,
        mixed,
    }
}

/// Reads an `action.yml`.
pub fn read_action(file: &str, text: &str, options: &Options) -> ActionOutcome {
    let mut memory = Memory::default();
    let reading = read_root(file, 0, text, "action", options, &mut memory);
    ActionOutcome { root: reading.token, problems: reading.problems }
}

/// What became of reading an `action.yml`.
#[derive(Clone, Debug)]
pub struct ActionOutcome {
    /// As far as it could be read.
    pub root: Option<Token>,
    pub problems: Vec<Problem>,
}

/// Reads one workflow to tokens.
pub(crate) fn read_file(
    name: &str,
    number: usize,
    text: &str,
    options: &Options,
    memory: &mut Memory,
) -> Reading {
    let root = match options.dialect {
        Dialect::Server => "workflow",
        Dialect::Editor => "workflow-strict",
    };
    read_root(name, number, text, root, options, memory)
}

fn read_root(
    name: &str,
    number: usize,
    text: &str,
    root: &str,
    options: &Options,
    memory: &mut Memory,
) -> Reading {
    let text = readable(text);
    let source = Source::new(name, &text);
    let most = options.limits.file_chars_max;
    if text.len() > most && text.encode_utf16().count() > most {
        let message = format!("The maximum file size of {most} characters has been exceeded");
        let problem = Problem {
            on_github: format!("{name}: {message}"),
            diagnostic: source.diagnostic(0..0, message),
        };
        return Reading { problems: vec![problem], ..Reading::default() };
    }
    if let Err(exceeded) = memory.add_text(name, &options.limits) {
        let problem = Problem {
            on_github: format!("{name}: {exceeded}"),
            diagnostic: source.diagnostic(0..0, exceeded),
        };
        return Reading { problems: vec![problem], ..Reading::default() };
    }
    read_tokens(&source, number, root, &options.features, options.anchors, &options.limits, memory)
}
