//! GitHub's own implementation under node, asked line by line.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::tools;

const PACKAGE: &str = "@actions/expressions@0.3.61";
const FOLDER: &str = "target/fuzz-expressions";
const SCRIPT: &str = include_str!("oracle.mjs");

/// What the package makes of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Theirs {
    /// As JSON, in which `NaN` and the infinities are null.
    Value {
        kind: String,
        json: Value,
    },
    Error {
        kind: String,
        message: String,
    },
}

pub(super) struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Installs the package where it is not yet, and starts node.
    pub(super) fn start() -> Result<Self> {
        for (program, purpose) in [("node", "runs GitHub's package"), ("npm", "installs it")] {
            if !tools::answers(program, &["--version"]) {
                bail!("`{program}`, which {purpose}, is missing: install Node.js 20 or later");
            }
        }
        install()?;
        let mut child = Command::new("node")
            .arg("oracle.mjs")
            .current_dir(FOLDER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node cannot be started")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("node has no output")?);
        Ok(Self { child, input, output })
    }

    /// What comes of each of the expressions.
    pub(super) fn ask(
        &mut self,
        contexts: &Map<String, Value>,
        expressions: &[String],
    ) -> Result<Vec<Theirs>> {
        let question = json!({ "contexts": contexts, "expressions": expressions });
        let input = self.input.as_mut().context("node was told to stop")?;
        writeln!(input, "{question}").context("node does not read any more")?;
        let mut line = String::new();
        self.output.read_line(&mut line).context("node does not answer")?;
        let answers: Vec<Value> =
            serde_json::from_str(&line).with_context(|| format!("node answered {line:?}"))?;
        answers.iter().map(read).collect()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Without input the script ends.
        self.input = None;
        if let Err(error) = self.child.wait() {
            tools::say(&format!("node cannot be waited for: {error}"));
        }
    }
}

fn install() -> Result<()> {
    fs::create_dir_all(FOLDER).with_context(|| format!("{FOLDER} cannot be made"))?;
    let script = Path::new(FOLDER).join("oracle.mjs");
    fs::write(&script, SCRIPT)
        .with_context(|| format!("{} cannot be written", script.display()))?;
    let (_, version) = PACKAGE.rsplit_once('@').context("the package has a version")?;
    let manifest = Path::new(FOLDER).join("node_modules/@actions/expressions/package.json");
    if fs::read_to_string(manifest).is_ok_and(|text| text.contains(&format!("\"{version}\""))) {
        return Ok(());
    }
    let ran = Command::new("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix", ".", PACKAGE])
        .current_dir(FOLDER)
        .output()
        .context("npm cannot be started")?;
    if !ran.status.success() {
        bail!("npm cannot install {PACKAGE}:\n{}", String::from_utf8_lossy(&ran.stderr).trim());
    }
    Ok(())
}

fn read(answer: &Value) -> Result<Theirs> {
    let text = |key: &str| {
        let text = answer.get(key).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("node's answer has no {key}: {answer}"))
    };
    if answer.get("error").is_some() {
        return Ok(Theirs::Error { kind: text("error")?, message: text("message")? });
    }
    let json = text("json")?;
    // Read by ourselves, because serde_json rounds long numbers otherwise than JavaScript.
    let value = qnt9_workflow::Value::from_json_text(&json)?;
    Ok(Theirs::Value { kind: text("kind")?, json: value.into() })
}
