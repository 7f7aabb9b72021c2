//! `on:`: filters, patterns, schedules, inputs.

use super::contexts::{input_type, of_token};
use super::expressions::Contexts;
use super::types::{ObjectType, Type};
use super::{Role, Walk, codes};
use crate::language::{Token, TokenKind};
use crate::{Cron, Zone, pattern};

/// The most inputs of a `workflow_dispatch`.
const INPUTS_MAX: usize = 25;
/// The shortest time between two runs of a schedule on GitHub, in minutes.
const SCHEDULE_MINUTES_MIN: u8 = 5;

impl Walk<'_> {
    pub(super) fn events(&mut self, on: &Token, contexts: &Contexts) {
        for name in on.items().iter().chain([on]) {
            if name.as_str() == Some("schedule") {
                let hint = "write `schedule:` with a list of `cron:` entries".to_owned();
                self.report(&codes::SCHEDULE, name, "`schedule` needs its times", Some(hint));
            }
        }
        for (event, config) in on.entries() {
            match event.as_str().unwrap_or_default() {
                "schedule" => config.items().iter().for_each(|item| self.schedule(item)),
                "workflow_dispatch" => self.dispatch_inputs(config),
                "workflow_call" => self.call_inputs(config, contexts),
                _ => self.filters(config),
            }
        }
    }

    fn filters(&mut self, config: &Token) {
        for name in ["branches", "tags", "paths"] {
            let ignore = format!("{name}-ignore");
            if let (Some((first, _)), Some((second, _))) =
                (config.entry(name), config.entry(&ignore))
            {
                let later = if first.span.start > second.span.start { first } else { second };
                let message = format!("`{name}` and `{ignore}` cannot be used together");
                let hint = format!("use `{name}` alone, with `!` before what to leave out");
                self.report(&codes::FILTERS, later, message, Some(hint));
            }
            for patterns in [config.get(name), config.get(&ignore)].into_iter().flatten() {
                self.patterns(patterns, name == "paths");
            }
        }
        for name in ["types", "names", "versions", "workflows"] {
            if let Some(list) = config.get(name)
                && list.is_sequence()
                && list.items().is_empty()
            {
                let message = format!("`{name}` is an empty list, which nothing matches");
                self.report(&codes::EMPTY_LIST, list, message, None);
            }
        }
    }

    fn patterns(&mut self, patterns: &Token, are_paths: bool) {
        let items =
            if patterns.is_sequence() { patterns.items() } else { std::slice::from_ref(patterns) };
        for item in items {
            let text = item.text();
            if let Err(error) = pattern::check(&text) {
                let message = format!("`{text}` is no pattern: {error}");
                self.report(&codes::PATTERN, item, message, None);
            } else if let Some(escaped) = escaped(&text).filter(|_| !are_paths) {
                let message =
                    format!("`{text}` is no pattern of names: `\\{escaped}` means nothing");
                let hint = "these are no regular expressions; `[0-9]` is a digit".to_owned();
                self.report(&codes::PATTERN, item, message, Some(hint));
            }
        }
    }

    fn schedule(&mut self, item: &Token) {
        if let Some(cron) = item.get("cron") {
            let text = cron.text();
            match Cron::parse(&text) {
                Err(error) => {
                    let message = format!("`{text}` is no schedule: {error}");
                    self.report(&codes::SCHEDULE, cron, message, None);
                }
                Ok(parsed) if parsed.minutes_between_min() < SCHEDULE_MINUTES_MIN => {
                    let message = format!(
                        "`{text}` is due every {} minutes, and GitHub runs at most every \
                         {SCHEDULE_MINUTES_MIN}",
                        parsed.minutes_between_min()
                    );
                    self.report(&codes::SCHEDULE_ON_GITHUB, cron, message, None);
                }
                Ok(_) => {}
            }
        }
        if let Some(zone) = item.get("timezone") {
            let name = zone.text();
            if Zone::named(&name).is_none() {
                let message = format!("`{name}` is no time zone");
                let hint = "write a region and city, such as Europe/Berlin".to_owned();
                self.report(&codes::SCHEDULE, zone, message, Some(hint));
            } else if !name.contains('/') {
                let message = format!("GitHub does not take `{name}` as a time zone");
                let hint = "leave it out for UTC, or write a region and city".to_owned();
                self.report(&codes::SCHEDULE_ON_GITHUB, zone, message, Some(hint));
            }
        }
    }

    fn dispatch_inputs(&mut self, config: &Token) {
        let inputs = config.get("inputs").map_or(&[][..], Token::entries);
        if let Some((extra, _)) = inputs.get(INPUTS_MAX) {
            let message = format!("a workflow has at most {INPUTS_MAX} inputs");
            self.report(&codes::INPUT, extra, message, None);
        }
        for (name, definition) in inputs {
            self.dispatch_input(name, definition);
        }
    }

    fn dispatch_input(&mut self, name: &Token, definition: &Token) {
        let kind = definition.get("type").map_or_else(|| "string".to_owned(), Token::text);
        let options = definition.get("options");
        match (kind.as_str(), options) {
            ("choice", None) => {
                let message = format!("`{}` is a choice without `options`", name.text());
                self.report(&codes::INPUT, name, message, None);
            }
            ("choice", Some(options)) => {
                self.options(name, options);
                if let Some(default) = definition.get("default")
                    && !options.items().iter().any(|option| option.text() == default.text())
                {
                    let message =
                        format!("the default `{}` is none of the options", default.text());
                    self.report(&codes::INPUT, default, message, None);
                }
            }
            (_, Some(_)) => {
                let message = format!("`{}` has options and is no choice", name.text());
                let hint = Some("say `type: choice`".to_owned());
                self.report(&codes::INPUT, name, message, hint);
            }
            _ => {}
        }
        if let Some(default) = definition.get("default") {
            self.default(default, &kind);
        }
    }

    fn options(&mut self, name: &Token, options: &Token) {
        if options.items().is_empty() {
            let message = format!("the options of `{}` are an empty list", name.text());
            self.report(&codes::INPUT, options, message, None);
            self.report(&codes::INPUT, name, "a choice needs options", None);
        }
        for (at, option) in options.items().iter().enumerate() {
            if options.items()[..at].iter().any(|earlier| earlier.text() == option.text()) {
                let message = format!("the option `{}` is there twice", option.text());
                self.report(&codes::INPUT, option, message, None);
            }
        }
    }

    fn default(&mut self, default: &Token, kind: &str) {
        let text = default.text();
        let wanted = match kind {
            "boolean" if !matches!(text.as_str(), "true" | "false") => "true or false",
            "number" if text.parse::<f64>().is_err() => "a number",
            _ => return,
        };
        if !default.is_expression() {
            let message = format!("the default `{text}` must be {wanted}");
            self.report(&codes::INPUT, default, message, None);
        }
    }

    /// The defaults of a called workflow's inputs may use the inputs before them.
    fn call_inputs(&mut self, config: &Token, contexts: &Contexts) {
        let mut earlier = ObjectType::default();
        for (name, definition) in config.get("inputs").map_or(&[][..], Token::entries) {
            let kind = input_type("workflow_call", definition);
            if let Some(default) = definition.get("default") {
                let seen = contexts.with("inputs", Type::Object(earlier.clone()));
                self.scalar(default, &seen, Role::Free);
                let found = of_token(default, &seen);
                let is_known =
                    !matches!(found, Type::Any) && !matches!(kind, Type::Any | Type::Text);
                if default.is_expression() && is_known && found != kind {
                    let message =
                        format!("the default is {}, and the input {}", found.name(), kind.name());
                    self.report(&codes::INPUT, default, message, None);
                } else {
                    let kind = definition.get("type").map(Token::text).unwrap_or_default();
                    self.default(default, &kind);
                }
                if definition.get("required").map(|required| &required.kind)
                    == Some(&TokenKind::Boolean(true))
                {
                    let message = "an input that is required never has its default";
                    self.report(&codes::INPUT, default, message, None);
                }
            }
            earlier.insert(&name.text(), kind);
        }
    }
}

/// The first character that a `\` stands before and that means nothing by itself.
fn escaped(pattern: &str) -> Option<char> {
    let mut characters = pattern.chars();
    while let Some(each) = characters.next() {
        if each == '\\' {
            match characters.next() {
                Some(next) if !"[]?+*\\!".contains(next) => return Some(next),
                _ => {}
            }
        }
    }
    None
}
