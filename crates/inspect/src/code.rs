//! What the program's own source says about itself: the paths it answers and the ports it listens on.
//! Lines are looked at, not grammars: enough for the frameworks that people use, silent about others.

use std::collections::BTreeSet;

use crate::finding::number;
use crate::repository::{Repository, name_of};

/// Sources of programs.
const SOURCES: &[&str] = &[
    ".js", ".mjs", ".cjs", ".ts", ".mts", ".py", ".rs", ".go", ".rb", ".java", ".kt", ".cs", ".php",
];

/// What stands before a path that a program answers.
const ANSWERS: &[&str] = &[
    ".get(",
    ".all(",
    ".route(",
    ".add_url_rule(",
    ".add_api_route(",
    ".add_route(",
    ".add_get(",
    ".head(",
    "HandleFunc(",
    "Handle(",
    "GetMapping(",
    "RequestMapping(",
    "Route(",
    "MapGet(",
    "MapHealthChecks(",
    "path(",
    "== ",
    "==",
    "=== ",
    "case ",
    "when ",
    "startswith(",
    "startsWith(",
    "in (",
    "Method::GET, ",
    "GET => ",
    "\"GET\", ",
    "'GET', ",
];

/// What stands before a path that is put before others.
const PREFIXES: &[&str] =
    &["prefix=", "prefix = ", ".use(", ".nest(", "url_prefix=", ".scope(", "PathPrefix("];

/// Last parts of the paths that are asked whether a program is well.
const WELL: &[&str] = &[
    "health",
    "healthz",
    "healthcheck",
    "health-check",
    "ready",
    "readyz",
    "readiness",
    "live",
    "livez",
    "liveness",
    "alive",
    "ping",
    "up",
    "status",
    "heartbeat",
    "_health",
    "_healthz",
];

/// A path that the program answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// Every path that the sources seem to answer.
pub(crate) fn routes(repository: &Repository) -> Vec<Route> {
    let included = included(repository);
    let mut routes = Vec::new();
    for (file, text) in sources(repository) {
        let own = own_prefix(text);
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for (before, path) in literals(line) {
                if !ANSWERS.iter().any(|marker| before.ends_with(marker)) {
                    continue;
                }
                let below_app = before.contains("app.") || !before.contains("outer.");
                let prefixes = if below_app { vec![String::new()] } else { included.clone() };
                for prefix in prefixes {
                    let own = if below_app { "" } else { own.as_str() };
                    let path = format!("{prefix}{own}{path}");
                    let path = if path.len() > 1 { path.trim_end_matches('/') } else { &path };
                    routes.push(Route {
                        path: path.to_owned(),
                        file: file.to_owned(),
                        line: number(at + 1),
                    });
                }
            }
        }
    }
    routes
}

/// The routes that say whether the program is well.
pub(crate) fn health_routes(repository: &Repository) -> Vec<Route> {
    let is_well = |route: &Route| WELL.contains(&name_of(&route.path));
    routes(repository).into_iter().filter(is_well).collect()
}

/// Where a port stands in a source, in a line that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listens {
    pub(crate) port: u16,
    pub(crate) file: String,
    pub(crate) line: u32,
    /// Whether the port of the environment is taken where there is one.
    pub(crate) reads_port: bool,
}

/// The lines that listen on a port that they name.
pub(crate) fn listens(repository: &Repository) -> Vec<Listens> {
    let mut found = Vec::new();
    for (file, text) in sources(repository) {
        let reads_port = reads_port(text);
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            let lower = line.to_ascii_lowercase();
            let is_about =
                ["listen(", "port=", "port =", "env.port", "\"port\"", "'port'", "bind("];
            if !is_about.iter().any(|word| lower.contains(word)) {
                continue;
            }
            if let Some(port) = numbers(line).into_iter().find(|port| (80..=65_000).contains(port))
            {
                let port = u16::try_from(port).unwrap_or_default();
                found.push(Listens {
                    port,
                    file: file.to_owned(),
                    line: number(at + 1),
                    reads_port,
                });
            }
        }
    }
    found
}

/// Whether a text takes its port from `PORT`.
pub(crate) fn reads_port(text: &str) -> bool {
    ["env.PORT", "\"PORT\"", "'PORT'", "$PORT", "${PORT", "`PORT`", "ENV[\"PORT\"]"]
        .iter()
        .any(|word| text.contains(word))
}

/// The program's own sources: no dependencies, no tests.
pub(crate) fn sources(repository: &Repository) -> impl Iterator<Item = (&str, &str)> {
    repository.ending(SOURCES).filter(|(path, _)| !is_aside(path))
}

/// Whether a path is a dependency's or a test's.
fn is_aside(path: &str) -> bool {
    let aside = [
        "node_modules",
        "vendor",
        "tests",
        "test",
        "__tests__",
        "spec",
        "load-tests",
        "target",
        ".venv",
        "examples",
        "benches",
    ];
    let name = name_of(path);
    path.split('/').any(|part| aside.contains(&part))
        || [".test.", ".spec.", "_test."].iter().any(|word| name.contains(word))
        || name.starts_with("test_")
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "*", "/*"].iter().any(|sign| line.starts_with(sign)) && !line.starts_with("#[")
}

/// The paths in a line that stand in quotes, each with what stands before it.
fn literals(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = line[from..].find(['"', '\'', '`']).map(|at| from + at) {
        let quote = &line[at..=at];
        let Some(length) = line[at + 1..].find(quote) else { break };
        let inner = &line[at + 1..at + 1 + length];
        if inner.starts_with('/') && !inner.contains(char::is_whitespace) {
            found.push((&line[..at], inner));
        }
        from = at + length + 2;
    }
    found
}

/// The prefixes under which routers are put into the program; `""` when one has none.
fn included(repository: &Repository) -> Vec<String> {
    let mut prefixes = BTreeSet::new();
    for (_, text) in sources(repository) {
        for line in text.lines().filter(|line| !is_comment(line)) {
            let includes = ["include_router(", ".use(", ".nest(", "register_blueprint("];
            if !includes.iter().any(|word| line.contains(word)) {
                continue;
            }
            let prefix = literals(line)
                .into_iter()
                .find(|(before, _)| PREFIXES.iter().any(|marker| before.ends_with(marker)));
            match prefix {
                Some((_, prefix)) => drop(prefixes.insert(prefix.trim_end_matches('/').to_owned())),
                None if line.contains("outer") => drop(prefixes.insert(String::new())),
                None => {}
            }
        }
    }
    if prefixes.is_empty() { vec![String::new()] } else { prefixes.into_iter().collect() }
}

/// The prefix that a file gives its own router.
fn own_prefix(text: &str) -> String {
    let makes = text.lines().find(|line| {
        ["APIRouter(", "Blueprint(", "Router(", "express.Router("]
            .iter()
            .any(|word| line.contains(word))
    });
    let literal = makes.and_then(|line| {
        let mut literals = literals(line).into_iter();
        literals.find(|(before, _)| PREFIXES.iter().any(|marker| before.ends_with(marker)))
    });
    literal.map_or_else(String::new, |(_, prefix)| prefix.trim_end_matches('/').to_owned())
}

/// The whole numbers of a line.
fn numbers(line: &str) -> Vec<u32> {
    let digits = line.split(|c: char| !c.is_ascii_digit());
    digits.filter(|digits| (2..=5).contains(&digits.len())).filter_map(|d| d.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(files: &[(&str, &str)]) -> Repository {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        Repository::new(files.iter().map(owned))
    }

    fn paths(files: &[(&str, &str)]) -> Vec<String> {
        health_routes(&repository(files)).into_iter().map(|route| route.path).collect()
    }

    #[test]
    fn a_router_s_prefix_is_part_of_its_paths() {
        let api = ("api.py", "router = APIRouter(prefix=\"/v1\")\n@router.get(\"/health\")\n");
        assert_eq!(paths(&[api]), ["/v1/health"]);
        let main =
            ("main.py", "app = FastAPI()\napp.include_router(api.router, prefix=\"/api\")\n");
        assert_eq!(paths(&[api, main]), ["/api/v1/health"]);
        assert_eq!(paths(&[("main.py", "@app.get(\"/health\")\n")]), ["/health"]);
    }

    #[test]
    fn servers_without_a_framework_are_understood() {
        assert_eq!(paths(&[("s.js", "if (url.pathname === '/healthz') {}\n")]), ["/healthz"]);
        assert_eq!(paths(&[("s.py", "        if self.path == \"/health\":\n")]), ["/health"]);
        assert_eq!(paths(&[("s.rs", ".route(\"/readyz\", get(ready))\n")]), ["/readyz"]);
        assert_eq!(paths(&[("tests/s.py", "client.get(\"/health\")\n")]), [""; 0]);
    }

    #[test]
    fn a_port_is_found_where_something_listens() {
        let found = listens(&repository(&[("s.js", "const port = process.env.PORT || 3000\n")]));
        assert_eq!((found[0].port, found[0].line, found[0].reads_port), (3000, 1, true));
        assert!(
            listens(&repository(&[("s.js", "// listen(3000)\nconst year = 2026\n")])).is_empty()
        );
    }
}
