//! The files behind `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_STATE` and `GITHUB_PATH`, by which a
//! step hands values on: `name=value` lines, or `name<<DELIMITER`, lines, `DELIMITER`.

use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum EnvFileError {
    #[error("line {line}: \"{text}\" is neither NAME=VALUE nor NAME<<DELIMITER")]
    Format { line: usize, text: String },
    #[error("line {line}: the value of {name} has no closing line \"{delimiter}\"")]
    Unclosed { line: usize, name: String, delimiter: String },
    #[error("line {line}: the name before \"{separator}\" is missing")]
    NoName { line: usize, separator: &'static str },
    #[error("line {line}: the delimiter after \"{name}<<\" is missing")]
    NoDelimiter { line: usize, name: String },
    #[error("line {line}: {name} may not be set by a step")]
    Reserved { line: usize, name: String },
}

/// The pairs of a file, in order; a later one of the same name wins.
pub(crate) fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    parse(text, |_| false)
}

/// The pairs of a `GITHUB_ENV` file. GitHub keeps its own names and `NODE_OPTIONS` out of a step's
/// reach; so are ours.
pub(crate) fn parse_env(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    parse(text, is_reserved)
}

fn parse(
    text: &str,
    is_reserved: impl Fn(&str) -> bool,
) -> Result<Vec<(String, String)>, EnvFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1..);
    while let Some((text, line)) = lines.next() {
        if text.is_empty() {
            continue;
        }
        let (name, value) = match (text.find('='), text.find("<<")) {
            (equals, Some(heredoc)) if equals.is_none_or(|equals| heredoc < equals) => {
                let (name, delimiter) = (&text[..heredoc], &text[heredoc + 2..]);
                check_name(name, "<<", line)?;
                if delimiter.is_empty() {
                    return Err(EnvFileError::NoDelimiter { line, name: name.into() });
                }
                (name, heredoc_value(&mut lines, name, delimiter, line)?)
            }
            (Some(equals), _) => {
                check_name(&text[..equals], "=", line)?;
                (&text[..equals], text[equals + 1..].to_owned())
            }
            (None, _) => return Err(EnvFileError::Format { line, text: text.into() }),
        };
        if is_reserved(name) {
            return Err(EnvFileError::Reserved { line, name: name.into() });
        }
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

fn heredoc_value<'t>(
    lines: &mut impl Iterator<Item = (&'t str, usize)>,
    name: &str,
    delimiter: &str,
    line: usize,
) -> Result<String, EnvFileError> {
    let mut value: Vec<&str> = Vec::new();
    loop {
        match lines.next() {
            Some((text, _)) if text == delimiter => return Ok(value.join("\n")),
            Some((text, _)) => value.push(text),
            None => {
                return Err(EnvFileError::Unclosed {
                    line,
                    name: name.into(),
                    delimiter: delimiter.into(),
                });
            }
        }
    }
}

fn check_name(name: &str, separator: &'static str, line: usize) -> Result<(), EnvFileError> {
    if name.is_empty() { Err(EnvFileError::NoName { line, separator }) } else { Ok(()) }
}

pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name == "NODE_OPTIONS"
        || ["GITHUB_", "RUNNER_", "QNT9_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The folders of a `GITHUB_PATH` file, in order.
pub(crate) fn parse_paths(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn both_forms_are_read() {
        let text = "\u{feff}A=1\r\n\nB=x=y<<z\nC<<EOF\none\n\ntwo=2\nEOF\nD<<E\nE\nempty=\n";
        assert_eq!(
            parse_pairs(text),
            Ok(vec![
                pair("A", "1"),
                pair("B", "x=y<<z"),
                pair("C", "one\n\ntwo=2"),
                pair("D", ""),
                pair("empty", ""),
            ])
        );
    }

    #[test]
    fn each_mistake_names_its_line() {
        let error = |text| parse_pairs(text).unwrap_err().to_string();
        assert_eq!(
            error("A=1\nnonsense\n"),
            "line 2: \"nonsense\" is neither NAME=VALUE nor NAME<<DELIMITER"
        );
        assert_eq!(error("A<<EOF\nx\n"), "line 1: the value of A has no closing line \"EOF\"");
        assert_eq!(error("=1"), "line 1: the name before \"=\" is missing");
        assert_eq!(error("<<EOF\nEOF"), "line 1: the name before \"<<\" is missing");
        assert_eq!(error("A<<\n"), "line 1: the delimiter after \"A<<\" is missing");
        assert_eq!(
            parse_env("A=1\nGITHUB_SHA=2").unwrap_err().to_string(),
            "line 2: GITHUB_SHA may not be set by a step"
        );
    }

    #[test]
    fn ci_may_be_set_and_node_options_not() {
        assert_eq!(parse_env("CI=false"), Ok(vec![pair("CI", "false")]));
        assert!(parse_env("node_options=--inspect").is_err());
    }

    proptest! {
        #[test]
        fn any_value_travels_in_a_heredoc(name in "[A-Za-z_][A-Za-z0-9_]{0,9}", value in "[^\r]{0,60}") {
            let text = format!("{name}<<a-delimiter-nobody-writes\n{value}\na-delimiter-nobody-writes\n");
            prop_assert_eq!(parse_pairs(&text), Ok(vec![pair(&name, &value)]));
        }
    }
}
