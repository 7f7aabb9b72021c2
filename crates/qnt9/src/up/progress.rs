//! Shows a delivery while it goes on: one live line per thing at work on a terminal, plain lines
//! elsewhere, JSON Lines for programs. What is done stays in the scrollback.

use std::collections::BTreeSet;

use qnt9_model::Millis;
use serde_json::json;

use super::stages::Stage;
use crate::talk::{self, Format};

/// Shows stages as they come.
pub struct Progress {
    format: Format,
    terminal: bool,
    /// Stages whose end was shown.
    shown: BTreeSet<(u64, String)>,
    part: String,
    live: bool,
}

impl Progress {
    /// In the form that was asked for.
    pub fn new(format: Format) -> Self {
        let terminal = format == Format::Text && talk::is_terminal();
        Self { format, terminal, shown: BTreeSet::new(), part: String::new(), live: false }
    }

    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// One line of talk; for programs an event with this word.
    pub fn note(&mut self, word: &str, text: &str) {
        self.clear();
        match self.format {
            Format::Json => {
                talk::json(&json!({ "event": word, "text": text }));
            }
            Format::Text => talk::say(&format!("  {word:<8} {text}")),
        }
    }

    /// A new part of the delivery begins.
    pub fn part(&mut self, part: &str, text: &str) {
        if self.part == part {
            return;
        }
        part.clone_into(&mut self.part);
        self.clear();
        match self.format {
            Format::Json => {
                talk::json(&json!({ "event": "part", "name": part, "text": text }));
            }
            Format::Text => talk::say(&format!("\n  {part:<14} {text}")),
        }
    }

    /// Shows the stages that have ended since, and what is at work.
    pub fn stages(&mut self, stages: &[Stage], now: Millis) {
        for stage in stages {
            let key = (stage.run.0, stage.name.clone());
            if stage.result.is_none() || self.shown.contains(&key) {
                continue;
            }
            self.shown.insert(key);
            self.clear();
            match self.format {
                Format::Json => {
                    talk::json(&json!({ "event": "stage", "stage": stage, "note": stage.note }));
                }
                Format::Text => talk::say(&line(stage)),
            }
        }
        let at_work: Vec<&Stage> =
            stages.iter().filter(|s| s.result.is_none() && s.started.is_some()).collect();
        if self.terminal && !at_work.is_empty() {
            let texts = at_work.iter().map(|stage| {
                let since = stage.started.map_or(0, |started| now.since(started) / 1000);
                let name = stage.name.split('/').next_back().unwrap_or_default();
                format!("{name} {}", clock(since))
            });
            self.live(&format!("    ◐ {}", texts.collect::<Vec<_>>().join("   ")));
        }
    }

    /// Says what is waited for, on the live line.
    pub fn waiting(&mut self, text: &str) {
        if self.terminal {
            self.live(&format!("    ‖ {text}"));
        }
    }

    fn live(&mut self, text: &str) {
        let width = talk::columns().saturating_sub(1);
        let cut: String = text.chars().take(width).collect();
        talk::say_raw(&format!("\r\x1b[2K{cut}"));
        self.live = true;
    }

    fn clear(&mut self) {
        if self.live {
            talk::say_raw("\r\x1b[2K");
            self.live = false;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(stage: &Stage) -> String {
    let sign = match stage.result {
        Some("success") => '✓',
        Some("skipped") => '○',
        Some("cancelled") => '–',
        _ => '✗',
    };
    let name = stage.name.split('/').next_back().unwrap_or_default();
    let total = stage.own_s + stage.user_s + stage.waiting_s;
    let waits = if stage.waiting_s >= 0.1 {
        format!(", {:.1} s waiting", stage.waiting_s)
    } else {
        String::new()
    };
    let times = if stage.result == Some("skipped") {
        String::new()
    } else {
        format!("{total:>6.1} s   ({:.1} s ours{waits})", stage.own_s)
    };
    let shown = format!("    {sign} {name:<18}{:<52}{times}", stage.note);
    shown.trim_end().to_owned()
}

/// `00:12`.
fn clock(seconds: i64) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
