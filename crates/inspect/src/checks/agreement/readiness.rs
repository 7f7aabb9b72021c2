//! Readiness that asks nothing: an answer that is always yes.

use crate::code::sources;
use crate::finding::{Area, Code, Findings, Place, Severity, number};
use crate::reading::Reading;

pub(super) const ALWAYS: Code = Code {
    id: "QX6011",
    area: Area::Agreement,
    severity: Severity::Warning,
    title: "a readiness answer that is always yes",
    explanation: "The handler looks at nothing and answers 200. A replica that cannot reach its database gets traffic, a rollout counts it as \
                  healthy, and every one of its requests fails.",
    example: "@app.get(\"/ready\")\ndef ready():\n    # TODO: check the database\n    return {\"status\": \"healthy\"}",
    fix: "@app.get(\"/ready\")\ndef ready():\n    try:\n        pool.execute(\"select 1\")\n    except Exception:\n        return JSONResponse({\"status\": \"no database\"}, 503)\n    return {\"status\": \"ready\"}",
};

/// Calls that only make the answer.
const ANSWERING: &[&str] = &[
    "json",
    "send",
    "status",
    "end",
    "sendStatus",
    "writeHead",
    "jsonify",
    "JSONResponse",
    "Response",
    "PlainTextResponse",
    "dict",
    "dumps",
    "stringify",
    "encode",
    "make_response",
    "now",
    "utcnow",
    "isoformat",
    "time",
    "toISOString",
    "Date",
    "function",
    "get",
    "print",
    "info",
    "debug",
    "log",
    "ready",
    "readiness",
    "route",
    "type",
    "set",
];

/// A handler is looked at this far.
const HANDLER_LINES_MAX: usize = 25;

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, text) in sources(reading.repository) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if !is_ready_route(line) {
                continue;
            }
            let handler = handler(path, &lines, at);
            if handler.is_some_and(|handler| asks_nothing(&handler)) {
                let message =
                    "readiness answers yes whatever is the matter: the handler looks at nothing";
                let hint = "ask what the service needs (its database, its queue) and answer 503 when that fails";
                findings.add(&ALWAYS, path, Place::line(number(at + 1)), message, hint);
            }
        }
    }
}

fn is_ready_route(line: &str) -> bool {
    let is_route =
        [".get(", ".route(", "get(", "add_url_rule("].iter().any(|word| line.contains(word));
    is_route
        && ["/ready\"", "/ready'", "/readyz\"", "/readyz'", "/readiness\"", "/readiness'"]
            .iter()
            .any(|word| line.contains(word))
}

/// The lines of the handler that a route names right there; `None` when it stands elsewhere.
fn handler(path: &str, lines: &[&str], at: usize) -> Option<String> {
    let rest = &lines[at + 1..(at + 1 + HANDLER_LINES_MAX).min(lines.len())];
    if path.ends_with(".py") {
        let def = rest.iter().position(|line| {
            line.trim_start().starts_with("def ") || line.trim_start().starts_with("async def ")
        })?;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let own = indent(rest[def]);
        let body =
            rest[def + 1..].iter().take_while(|line| line.trim().is_empty() || indent(line) > own);
        let body: Vec<&str> = body.copied().collect();
        return (!body.is_empty()).then(|| without_docstrings(&body));
    }
    let line = lines[at];
    let after = line
        .find("=>")
        .map(|at| &line[at + 2..])
        .or_else(|| line.find("function").map(|at| &line[at..]))?;
    let mut text = after.to_owned();
    let depth = |text: &str| {
        let count = |sign: char| text.matches(sign).count();
        (count('{') + count('(')).cast_signed() - (count('}') + count(')')).cast_signed()
    };
    for next in rest {
        // The call that the route is part of is closed by one more than was opened here.
        if depth(&text) < 0 {
            break;
        }
        text.push('\n');
        text.push_str(next);
    }
    Some(text)
}

fn without_docstrings(lines: &[&str]) -> String {
    let mut kept = String::new();
    let mut within = false;
    for line in lines {
        let marks = line.matches("\"\"\"").count() + line.matches("'''").count();
        if marks == 0 && !within {
            kept.push_str(line);
            kept.push('\n');
        }
        within ^= marks % 2 == 1;
    }
    kept
}

/// Whether the code decides nothing and calls nothing but what makes an answer.
fn asks_nothing(code: &str) -> bool {
    let code: String = code
        .lines()
        .map(|line| line.split(" #").next().unwrap_or(line).split("//").next().unwrap_or(line))
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    let words: Vec<&str> = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let decides = [
        "if", "try", "await", "raise", "throw", "for", "while", "with", "match", "switch",
        "Depends",
    ];
    if words.iter().any(|word| decides.contains(word)) || code.contains('?') {
        return false;
    }
    let calls = code.match_indices('(').filter_map(|(at, _)| {
        let before = code[..at].trim_end();
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        (!name.is_empty()).then_some(name)
    });
    let answers =
        ["return", "send", "json", "end", "sendStatus"].iter().any(|word| words.contains(word));
    answers && calls.into_iter().all(|name| ANSWERING.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(path: &str, text: &str) -> bool {
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| is_ready_route(line)).unwrap();
        handler(path, &lines, at).is_some_and(|handler| asks_nothing(&handler))
    }

    #[test]
    fn an_answer_that_is_always_yes_is_told_from_one_that_asks() {
        let always = "@app.get(\"/ready\")\nasync def ready():\n    \"\"\"Says so.\"\"\"\n    # TODO\n    return {\"status\": \"healthy\"}\n";
        assert!(is_found("a.py", always));
        let asks = "@app.get(\"/ready\")\nasync def ready():\n    await pool.execute(\"select 1\")\n    return {}\n";
        assert!(!is_found("a.py", asks));
        assert!(!is_found(
            "a.py",
            "@app.get(\"/ready\")\ndef ready(db=Depends(get)):\n    db.ping()\n    return 1\n"
        ));
        assert!(is_found(
            "a.js",
            "app.get('/readyz', (req, res) => res.json({ ok: true }));\napp.listen(1)\n"
        ));
        assert!(!is_found(
            "a.js",
            "app.get('/readyz', async (req, res) => {\n  await db.ping();\n  res.end();\n});\n"
        ));
        assert!(!is_found(
            "a.js",
            "app.get('/readyz', (req, res) => res.status(ready ? 200 : 503).end())\n"
        ));
        assert!(!is_found("a.js", "app.get('/readyz', ready)\n"));
    }
}
