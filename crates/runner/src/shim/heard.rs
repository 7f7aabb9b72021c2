use std::io;

use super::log::JobLog;
use crate::commands::{Commands, Line};
use crate::journal::{Annotation, AnnotationLevel, Record};
use crate::limits::STEP_ANNOTATIONS_MAX;
use crate::lines::Segment;

/// What a step said by printing: its lines go to the log, its commands are carried out.
#[derive(Debug)]
pub(super) struct Heard {
    step: u32,
    commands: Commands,
    annotations: [usize; 3],
    warned_of_set_output: bool,
    pub(super) outputs: Vec<(String, String)>,
    /// A value was hidden that no secret of the job holds.
    pub(super) masked: bool,
    /// A command that GitHub switched off; it fails the step.
    pub(super) refused: Option<&'static str>,
}

impl Heard {
    pub(super) fn new(step: u32) -> Self {
        Self {
            step,
            commands: Commands::default(),
            annotations: [0; 3],
            warned_of_set_output: false,
            outputs: Vec::new(),
            masked: false,
            refused: None,
        }
    }

    /// Whose words these are.
    pub(super) fn step(&self) -> u32 {
        self.step
    }

    pub(super) fn lines(&mut self, segments: Vec<Segment>, log: &JobLog) -> io::Result<()> {
        let mut shown = Vec::with_capacity(segments.len());
        for segment in segments {
            if segment.continues {
                shown.push(segment.text);
            } else {
                shown.extend(self.line(segment.text, log)?);
            }
        }
        log.lines(shown.iter().map(String::as_str))
    }

    /// Carries out a line if it is a command, and returns what the log shows of it.
    fn line(&mut self, text: String, log: &JobLog) -> io::Result<Option<String>> {
        Ok(match self.commands.read(&text) {
            Line::Text => Some(text),
            Line::Annotation(annotation) => Some(self.annotate(annotation, log)?),
            Line::Group(name) => Some(format!("##[group]{name}")),
            Line::EndGroup => Some("##[endgroup]".into()),
            Line::AddMask(secret) => {
                self.masked |= !secret.trim().is_empty() && !log.contains_secret(&secret);
                log.add_mask(&secret);
                None
            }
            Line::Debug(message) => Some(format!("##[debug]{message}")),
            Line::SetOutput { name, value } => {
                self.outputs.push((name, value));
                if std::mem::replace(&mut self.warned_of_set_output, true) {
                    return Ok(None);
                }
                let message = "The `set-output` command is deprecated; write to the file that \
                               GITHUB_OUTPUT names instead.";
                Some(self.annotate(Annotation::new(AnnotationLevel::Warning, message.into()), log)?)
            }
            Line::StopCommands(_) => Some(text),
            Line::Refused(command) => {
                self.refused = Some(command);
                Some(text)
            }
            // State is read by the post part of JavaScript actions, which run steps have not.
            Line::SaveState { .. } | Line::Nothing => None,
        })
    }

    /// Records an annotation unless the step made too many, and returns its line in the log.
    pub(super) fn annotate(&mut self, annotation: Annotation, log: &JobLog) -> io::Result<String> {
        let (place, mark) = match annotation.level {
            AnnotationLevel::Error => (0, "error"),
            AnnotationLevel::Warning => (1, "warning"),
            AnnotationLevel::Notice => (2, "notice"),
        };
        let line = format!("##[{mark}]{}", annotation.message);
        self.annotations[place] += 1;
        if self.annotations[place] <= STEP_ANNOTATIONS_MAX {
            let annotation = Annotation {
                message: log.mask(&annotation.message),
                title: annotation.title.map(|title| log.mask(&title)),
                file: annotation.file.map(|file| log.mask(&file)),
                ..annotation
            };
            log.record(&Record::Annotation { step: Some(self.step), annotation })?;
        }
        Ok(line)
    }

    /// Records an annotation of ours and logs its line.
    pub(super) fn say(
        &mut self,
        level: AnnotationLevel,
        message: String,
        log: &JobLog,
    ) -> io::Result<()> {
        let line = self.annotate(Annotation::new(level, message), log)?;
        log.line(&line)
    }
}
