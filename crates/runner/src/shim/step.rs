use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use qnt9_workflow::{Condition, EvaluationError, Step, StepAction, Template};
use tokio::time::Instant;

use super::actions::{self, ActionWork};
use super::control::StepLimits;
use super::files::{StepFiles, Written};
use super::heard::Heard;
use super::job::Job;
use super::script::Script;
use super::supervise::{StepEnd, supervise};
use crate::clock::now_ms;
use crate::journal::{AnnotationLevel, Interval, JobResult, Record, StepConclusion};
use crate::own_time;

type Env = BTreeMap<String, String>;

/// Whether a step runs.
enum Decision {
    Run,
    Skip,
    /// Its `env:` or `if:` has no value.
    Fail(String),
}

/// What a step that ran leaves.
struct Ran {
    end: StepEnd,
    outputs: Vec<(String, String)>,
    ours: Vec<Interval>,
}

impl Job<'_> {
    /// Carries out one step, or skips it.
    pub(super) async fn step(&mut self, index: u32, step: &Step) -> io::Result<()> {
        if self.control.is_cancelled()? && self.status != JobResult::Cancelled {
            self.set_status(JobResult::Cancelled);
        }
        let (decision, env) = self.decide(step);
        let name = self
            .contexts
            .evaluate(|scope| step.display_name(scope))
            .unwrap_or_else(|_| step.name.as_ref().map_or("Run", |name| &name.source).to_owned());
        let name = self.log.mask(&name);
        let started = now_ms();
        let mistake = match decision {
            Decision::Run => None,
            Decision::Fail(why) => Some(why),
            Decision::Skip => {
                let skipped = [StepConclusion::Skipped; 2];
                return self.record_finish(index, step, name, skipped, Env::new(), started, vec![]);
            }
        };
        self.log.record(&Record::StepStarted { index, name: name.clone(), at: started })?;
        self.log.sync()?;
        self.log.set_step(Some(index));
        let mut heard = Heard::new(index);
        let ran = match mistake {
            Some(why) => Ran { end: StepEnd::Failed(why), outputs: vec![], ours: vec![] },
            None => self.carry_out(index, step, &env, started, &mut heard).await?,
        };
        let outcome = self.outcome(&ran.end, &mut heard)?;
        let conclusion = self.conclusion(step, outcome, &mut heard)?;
        let outputs = self.publishable(ran.outputs, &mut heard)?;
        self.note_handed_on(index, heard.masked)?;
        match conclusion {
            StepConclusion::Failure if self.status == JobResult::Success => {
                self.set_status(JobResult::Failure);
            }
            StepConclusion::Cancelled => self.set_status(JobResult::Cancelled),
            _ => {}
        }
        self.record_finish(index, step, name, [outcome, conclusion], outputs, started, ran.ours)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the record, all of them")]
    pub(super) fn record_finish(
        &mut self,
        index: u32,
        step: &Step,
        name: String,
        [outcome, conclusion]: [StepConclusion; 2],
        outputs: Env,
        started: u64,
        ours: Vec<Interval>,
    ) -> io::Result<()> {
        if let Some(id) = &step.id {
            self.contexts.add_step(id, outcome, conclusion, &outputs);
        }
        self.log.record(&Record::StepFinished {
            index,
            name,
            outcome,
            conclusion,
            outputs,
            started,
            finished: now_ms(),
            ours,
        })
    }

    fn decide(&mut self, step: &Step) -> (Decision, Env) {
        let mut env = self.environment.job_env().clone();
        self.contexts.set_env(&env);
        match self.contexts.interpolate_all(&step.env) {
            Ok(own) => env.extend(own),
            Err(error) => {
                return (Decision::Fail(format!("The env of the step has no value: {error}")), env);
            }
        }
        self.contexts.set_env(&env);
        let decision = match self.holds(step, self.status) {
            Ok(true) => Decision::Run,
            Ok(false) => Decision::Skip,
            Err(error) => {
                Decision::Fail(format!("The condition of the step has no value: {error}"))
            }
        };
        (decision, env)
    }

    fn holds(&self, step: &Step, status: JobResult) -> Result<bool, EvaluationError> {
        self.contexts.evaluate_as(status, |scope| {
            Ok(match &step.condition {
                Some(condition) => condition.evaluate(scope)?.holds,
                None => Condition::verdict_of_none(scope).holds,
            })
        })
    }

    async fn carry_out(
        &mut self,
        index: u32,
        step: &Step,
        env: &Env,
        started: u64,
        heard: &mut Heard,
    ) -> io::Result<Ran> {
        let deadline = match self.step_deadline(step) {
            Ok(deadline) => deadline,
            Err(why) => {
                return Ok(Ran { end: StepEnd::Failed(why), outputs: vec![], ours: vec![] });
            }
        };
        let survives_cancel = self.holds(step, JobResult::Cancelled).unwrap_or(false);
        let limits = StepLimits { deadline, survives_cancel };
        let files = StepFiles::create(&self.spec.folders.temp, index)?;
        let mut fixed = files.variables();
        fixed.insert("QNT9_STEP".into(), index.to_string());
        let process_env = self.environment.of_step(env, fixed);
        let (mut end, action_outputs) = match &step.action {
            StepAction::Run { script, shell, working_directory } => {
                let parts = (script, shell.as_ref(), working_directory.as_ref());
                let end = self.run_script(parts, env, process_env, &files, limits, heard).await?;
                (end, Vec::new())
            }
            StepAction::Uses { reference, with } => {
                let inputs = self.contexts.interpolate_all(with);
                let mut work = ActionWork { job: self, limits, heard, env: process_env, index };
                match inputs {
                    Ok(inputs) => actions::carry_out(&mut work, reference, inputs).await?,
                    Err(error) => {
                        (StepEnd::Failed(format!("An input has no value: {error}")), Vec::new())
                    }
                }
            }
        };
        let written = files.take();
        self.take_in(index, &written, &mut end, heard)?;
        let mut outputs = std::mem::take(&mut heard.outputs);
        outputs.extend(written.outputs);
        outputs.extend(action_outputs);
        let finished = now_ms();
        let ours = match &step.action {
            StepAction::Run { .. } => own_time::parse(&written.own_time, started, finished),
            StepAction::Uses { .. } => vec![Interval { start: started, end: finished }],
        };
        Ok(Ran { end, outputs, ours })
    }

    /// `timeout-minutes`; fractions count.
    fn step_deadline(&self, step: &Step) -> Result<Option<Instant>, String> {
        let Some(template) = &step.timeout_minutes else { return Ok(None) };
        let minutes = self
            .contexts
            .evaluate(|scope| template.number(scope))
            .map_err(|error| format!("timeout-minutes has no value: {error}"))?;
        if minutes <= 0.0 {
            return Ok(None);
        }
        let limit = Duration::try_from_secs_f64(minutes * 60.0)
            .map_err(|error| format!("timeout-minutes cannot be {minutes}: {error}"))?;
        Ok(Instant::now().checked_add(limit))
    }

    async fn run_script(
        &mut self,
        (text, shell, dir): (&Template, Option<&Template>, Option<&Template>),
        env: &Env,
        process_env: Env,
        files: &StepFiles,
        limits: StepLimits,
        heard: &mut Heard,
    ) -> io::Result<StepEnd> {
        let defaults = &self.spec.defaults;
        let filled = self.contexts.evaluate(|scope| {
            let fill = |template: Option<&Template>| {
                template.map(|template| template.interpolate(scope)).transpose()
            };
            Ok::<_, EvaluationError>((
                text.interpolate(scope)?,
                fill(shell.or(defaults.shell.as_ref()))?,
                fill(dir.or(defaults.working_directory.as_ref()))?,
            ))
        });
        let script = match filled {
            Ok((text, shell, dir)) => {
                let dir = self.spec.folders.workspace.join(dir.unwrap_or_default());
                Script { text, shell, dir }
            }
            Err(error) => return Ok(StepEnd::Failed(format!("The step has no value: {error}"))),
        };
        self.announce(&script, env, process_env.get("PATH").map_or("", String::as_str))?;
        let invocation = match script.invocation(&files.path("script"), process_env) {
            Ok(invocation) => invocation,
            Err(why) => return Ok(StepEnd::Failed(why)),
        };
        let end = supervise(&invocation, &mut self.control, limits, &self.log, heard).await?;
        Ok(match heard.refused {
            Some(command) if end == StepEnd::Done => StepEnd::Failed(format!(
                "The `{command}` command is disabled, because any printed text could use it. \
                 Write to the file that GITHUB_ENV or GITHUB_PATH names."
            )),
            _ => end,
        })
    }

    /// Shows what will run, as GitHub's logs do.
    fn announce(&self, script: &Script, env: &Env, path: &str) -> io::Result<()> {
        let text = script.text.trim_end();
        let first = text.trim_start().lines().next().unwrap_or_default();
        let mut lines = vec![format!("##[group]Run {first}"), text.to_owned()];
        lines.push(format!("shell: {}", script.shell_line(path)));
        if !env.is_empty() {
            lines.push("env:".into());
            lines.extend(env.iter().map(|(name, value)| format!("  {name}: {value}")));
        }
        lines.push("##[endgroup]".into());
        self.log.lines(lines.iter().map(String::as_str))
    }

    /// Takes in what the step wrote to its files.
    fn take_in(
        &mut self,
        index: u32,
        written: &Written,
        end: &mut StepEnd,
        heard: &mut Heard,
    ) -> io::Result<()> {
        self.environment.add_job_env(written.env.iter().cloned());
        self.environment.add_paths(written.paths.iter().cloned());
        if !written.summary.is_empty() {
            let markdown = self.log.mask(&written.summary);
            self.log.record(&Record::Summary { step: index, markdown })?;
        }
        for remark in &written.remarks {
            heard.say(AnnotationLevel::Warning, remark.clone(), &self.log)?;
        }
        if let (Some(mistake), StepEnd::Done) = (written.mistakes.first(), &*end) {
            *end = StepEnd::Failed(mistake.clone());
        }
        Ok(())
    }

    fn outcome(&self, end: &StepEnd, heard: &mut Heard) -> io::Result<StepConclusion> {
        Ok(match end {
            StepEnd::Done => StepConclusion::Success,
            StepEnd::Failed(why) => {
                heard.say(AnnotationLevel::Error, why.clone(), &self.log)?;
                StepConclusion::Failure
            }
            StepEnd::Cancelled => {
                let message = "The operation was canceled.".to_owned();
                heard.say(AnnotationLevel::Error, message, &self.log)?;
                StepConclusion::Cancelled
            }
        })
    }

    fn conclusion(
        &self,
        step: &Step,
        outcome: StepConclusion,
        heard: &mut Heard,
    ) -> io::Result<StepConclusion> {
        let (StepConclusion::Failure, Some(template)) = (outcome, &step.continue_on_error) else {
            return Ok(outcome);
        };
        match self.contexts.evaluate(|scope| template.boolean(scope)) {
            Ok(true) => Ok(StepConclusion::Success),
            Ok(false) => Ok(outcome),
            Err(error) => {
                let message = format!("continue-on-error has no value: {error}");
                heard.say(AnnotationLevel::Error, message, &self.log)?;
                Ok(outcome)
            }
        }
    }

    /// Leaves out outputs that hold a secret.
    fn publishable(&self, outputs: Vec<(String, String)>, heard: &mut Heard) -> io::Result<Env> {
        let mut publishable = Env::new();
        for (name, value) in outputs {
            if self.log.contains_secret(&value) {
                let message = format!("Skip output '{name}' since it may contain secret.");
                heard.say(AnnotationLevel::Warning, message, &self.log)?;
            } else {
                publishable.insert(name, value);
            }
        }
        Ok(publishable)
    }
}
