//! The only place that prints. Standard output is data, standard error is talk.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Whether standard output is gone, as when `head` has read enough: then nobody wants the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Somebody reads.
    There,
    /// Nobody does any more.
    Gone,
}

/// Prints a line of data.
pub fn line(text: &str) -> Reader {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints data as it is.
pub fn bytes(bytes: &[u8]) -> Reader {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Reader::There,
        Err(_) => Reader::Gone,
    }
}

/// Prints one JSON value on one line.
pub fn json(value: &impl Serialize) -> Reader {
    line(&serde_json::to_string(value).expect("shapes are plain data"))
}

/// Prints data in the form that was asked for.
pub fn data<T: Serialize>(format: Format, value: &T, render: impl FnOnce(&T) -> String) {
    match format {
        Format::Json => json(value),
        Format::Text => bytes(with_newline(render(value)).as_bytes()),
    };
}

fn with_newline(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Says something to whoever watches. A closed standard error changes nothing.
pub fn say(text: &str) {
    say_raw(&format!("{text}\n"));
}

/// Says something without ending the line.
pub fn say_raw(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// What somebody said to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Yes.
    Yes,
    /// Anything else.
    No,
    /// There is no terminal to ask at.
    NobodyThere,
}

/// Asks a person at the terminal; anything but a yes is a no.
pub fn confirmed(question: &str) -> Confirmation {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Confirmation::NobodyThere;
    }
    say_raw(question);
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) => {
            Confirmation::Yes
        }
        Ok(_) | Err(_) => Confirmation::No,
    }
}

/// Whether standard error is a terminal that can move its cursor.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether standard error may be coloured: <https://no-color.org>.
pub fn colours() -> bool {
    is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal on standard error.
pub fn columns() -> usize {
    const USUAL: usize = 100;
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.map_or(USUAL, |size| usize::from(size.ws_col)).max(20)
}
