//! Where a container's program listens.

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;

pub(super) const LOOPBACK: Code = Code {
    id: "QX5008",
    area: Area::Image,
    severity: Severity::Error,
    title: "a service in a container that listens to itself alone",
    explanation: "In a container 127.0.0.1 is the container. The program says that it runs, its own health check passes, and nobody else can reach it. \
                  uvicorn, flask and gunicorn listen there unless they are told otherwise.",
    example: "CMD [\"uvicorn\", \"app:app\", \"--port\", \"8000\"]",
    fix: "CMD [\"uvicorn\", \"app:app\", \"--host\", \"0.0.0.0\", \"--port\", \"8000\"]",
};

/// Variables of the environment by which these programs are told where to listen.
const ADDRESSES: &[&str] = &["UVICORN_HOST", "FLASK_RUN_HOST", "GUNICORN_CMD_ARGS", "HOST"];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, file) in &reading.images {
        let is_told = file
            .named("ENV")
            .any(|env| ADDRESSES.iter().any(|name| env.args.split([' ', '=']).any(|w| w == *name)));
        let (entry, command) = (file.last("ENTRYPOINT"), file.last("CMD"));
        let Some(place) = command.or(entry) else { continue };
        let words: Vec<String> = [entry, command]
            .into_iter()
            .flatten()
            .flat_map(|one| {
                let shell = || one.args.split_whitespace().map(str::to_owned).collect();
                one.exec().unwrap_or_else(shell)
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(hint) = listens_to_itself(&words, is_told) {
            let message =
                "the program listens on 127.0.0.1, which in a container nobody else can reach";
            findings.add(&LOOPBACK, path, Place::line(place.line), message, hint);
        }
    }
}

/// What to add to a command that listens on the loopback address.
fn listens_to_itself(words: &[&str], is_told: bool) -> Option<&'static str> {
    let has =
        |name: &str| words.iter().any(|word| *word == name || word.ends_with(&format!("/{name}")));
    let (hint, options): (_, &[&str]) = match () {
        () if has("gunicorn") => ("add `--bind 0.0.0.0:PORT`", &["--bind", "-b", "--config", "-c"]),
        () if has("uvicorn") => ("add `--host 0.0.0.0`", &["--host", "--uds", "--fd"]),
        () if has("flask") && has("run") => ("add `--host 0.0.0.0`", &["--host", "-h"]),
        () => return None,
    };
    let is_option = |word: &str| {
        options.iter().find(|option| {
            word == **option
                || word.starts_with(&format!("{option}="))
                || (option.len() == 2
                    && word.len() > 2
                    && word.starts_with(**option)
                    && !word.starts_with("--"))
        })
    };
    let given = words.iter().enumerate().find_map(|(at, word)| {
        let option = is_option(word)?;
        if word == option {
            return Some(words.get(at + 1).copied().unwrap_or_default());
        }
        Some(word[option.len()..].trim_start_matches('='))
    });
    let is_loopback = match given {
        Some(address) => ["127.0.0.1", "localhost"].iter().any(|own| address.starts_with(own)),
        // A shell's variable may hold the option.
        None => !is_told && !words.iter().any(|word| word.contains('$') && !word.contains("PORT")),
    };
    is_loopback.then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_to_itself_is_known() {
        let itself =
            |line: &str| listens_to_itself(&line.split(' ').collect::<Vec<_>>(), false).is_some();
        for line in [
            "uvicorn a:b --port 8000",
            "python -m uvicorn a:b --host 127.0.0.1",
            "flask run --port=$PORT",
            "gunicorn -b localhost:80 a",
            "/venv/bin/gunicorn a:b",
            "gunicorn -k uvicorn.workers.UvicornWorker a:b",
        ] {
            assert!(itself(line), "{line}");
        }
        for line in [
            "uvicorn a:b --host 0.0.0.0",
            "uvicorn a:b --host=::",
            "gunicorn -b :8000 a",
            "gunicorn -b0.0.0.0:80 a",
            "gunicorn -c gunicorn.conf.py a",
            "gunicorn $ARGUMENTS a",
            "uvicorn a:b --uds /run/a.sock",
            "fastapi run a.py",
            "node server.js",
        ] {
            assert!(!itself(line), "{line}");
        }
        assert_eq!(listens_to_itself(&["uvicorn", "a:b"], true), None);
    }
}
