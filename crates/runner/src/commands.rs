//! Workflow commands: what a step says to the runner by printing `::name key=value::message`.
//! The grammar and the escapes are those of GitHub's "Workflow commands for GitHub Actions".

use crate::journal::{Annotation, AnnotationLevel};

/// One line of a step's output, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Not a command; shown as it is.
    Text,
    Annotation(Annotation),
    Group(String),
    EndGroup,
    AddMask(String),
    Debug(String),
    /// Deprecated in favour of `GITHUB_OUTPUT`.
    SetOutput {
        name: String,
        value: String,
    },
    /// Deprecated in favour of `GITHUB_STATE`.
    SaveState {
        name: String,
        value: String,
    },
    /// Switched off by GitHub in 2020, since any printed text could change the environment.
    Refused(&'static str),
    StopCommands(String),
    /// `::echo::on` and the like, which change nothing here.
    Nothing,
}

/// Reads the lines of one step. Remembers whether commands are stopped.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    stopped_until: Option<String>,
}

impl Commands {
    pub(crate) fn read(&mut self, line: &str) -> Line {
        let Some((name, properties, message)) = parse(line) else {
            return Line::Text;
        };
        if let Some(token) = &self.stopped_until {
            if name == *token {
                self.stopped_until = None;
                return Line::Nothing;
            }
            return Line::Text;
        }
        let property = |key: &str| {
            properties
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, v)| v.clone())
        };
        let level = match name.to_ascii_lowercase().as_str() {
            "error" => AnnotationLevel::Error,
            "warning" => AnnotationLevel::Warning,
            "notice" => AnnotationLevel::Notice,
            "group" => return Line::Group(message),
            "endgroup" => return Line::EndGroup,
            "add-mask" => return Line::AddMask(message),
            "debug" => return Line::Debug(message),
            "set-output" | "save-state" => {
                let Some(key) = property("name") else { return Line::Text };
                return if name.eq_ignore_ascii_case("set-output") {
                    Line::SetOutput { name: key, value: message }
                } else {
                    Line::SaveState { name: key, value: message }
                };
            }
            "set-env" => return Line::Refused("set-env"),
            "add-path" => return Line::Refused("add-path"),
            "stop-commands" => {
                if message.is_empty() {
                    return Line::Text;
                }
                self.stopped_until = Some(message.clone());
                return Line::StopCommands(message);
            }
            "echo" | "add-matcher" | "remove-matcher" => return Line::Nothing,
            _ => return Line::Text,
        };
        let number = |key| property(key).and_then(|value| value.parse().ok());
        Line::Annotation(Annotation {
            level,
            message,
            title: property("title"),
            file: property("file"),
            line: number("line"),
            end_line: number("endLine"),
            column: number("col"),
            end_column: number("endColumn"),
        })
    }
}

type Properties = Vec<(String, String)>;

fn parse(line: &str) -> Option<(String, Properties, String)> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, message) = rest.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    if name.is_empty() {
        return None;
    }
    let properties = properties
        .split(',')
        .filter_map(|property| property.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.trim().to_owned(), unescape_property(value)))
        .collect();
    Some((name.to_owned(), properties, unescape(message)))
}

/// `%25` last, so that an escaped percent sign does not begin another escape.
fn unescape(text: &str) -> String {
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

fn unescape_property(text: &str) -> String {
    let text = text.replace("%0D", "\r").replace("%0A", "\n");
    text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Line {
        Commands::default().read(line)
    }

    #[test]
    fn an_annotation_has_its_place() {
        let line =
            read("  ::error file=src/a%2Cb.rs,line=3,endLine=4,col=7,title=Lint::one%0Atwo%25");
        let expected = Annotation {
            level: AnnotationLevel::Error,
            message: "one\ntwo%".into(),
            title: Some("Lint".into()),
            file: Some("src/a,b.rs".into()),
            line: Some(3),
            end_line: Some(4),
            column: Some(7),
            end_column: None,
        };
        assert_eq!(line, Line::Annotation(expected));
    }

    #[test]
    fn an_escaped_percent_sign_is_not_an_escape() {
        assert_eq!(read("::debug::%250A"), Line::Debug("%0A".into()));
    }

    #[test]
    fn other_text_is_text() {
        for line in ["", "::", "hello", "a ::error::b", "::unknown::x", "::error no end", ":: ::x"]
        {
            assert_eq!(read(line), Line::Text, "{line}");
        }
    }

    #[test]
    fn stopped_commands_are_text_until_the_token() {
        let mut commands = Commands::default();
        assert_eq!(commands.read("::stop-commands::abc"), Line::StopCommands("abc".into()));
        assert_eq!(commands.read("::add-mask::x"), Line::Text);
        assert_eq!(commands.read("::xyz::"), Line::Text);
        assert_eq!(commands.read("::abc::"), Line::Nothing);
        assert_eq!(commands.read("::add-mask::x"), Line::AddMask("x".into()));
    }

    #[test]
    fn outputs_by_command_need_a_name() {
        assert_eq!(
            read("::set-output name=digest::sha256:1"),
            Line::SetOutput { name: "digest".into(), value: "sha256:1".into() }
        );
        assert_eq!(read("::set-output::x"), Line::Text);
        assert_eq!(read("::set-env name=PATH::x"), Line::Refused("set-env"));
    }
}
