//! GitHub's cases for readers of workflows: options, a workflow, files that it calls, and the plan or
//! the errors that must come of it, parted by lines of `---`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Mismatch;
use crate::language::{Anchors, Feature, Limits, shown_on_github};
use crate::plan::{
    Calls, DefaultPermissions, Dialect, Options, SourcePlaces, events_json, read, to_json,
};

/// Runs the case of a file's name and text.
///
/// # Errors
/// What was expected and what came, if they differ; a case that cannot be read differs, too.
pub fn run(name: &str, text: &str) -> Result<(), Mismatch> {
    let text = text.replace("\r\n", "\n");
    let parts: Vec<&str> = text.split("\n---\n").collect();
    let unreadable = |got: &str| Mismatch { expected: "a case".to_owned(), got: got.to_owned() };
    let [header, workflow, between @ .., expected] = parts.as_slice() else {
        return Err(unreadable("a file of fewer than three parts"));
    };
    let expected: Json =
        serde_json::from_str(expected.trim()).map_err(|error| unreadable(&error.to_string()))?;
    let case = Header::read(header);
    let files: BTreeMap<&str, &str> =
        between.chunks_exact(2).map(|pair| (pair[0].trim(), pair[1])).collect();
    let called = |reference: &str| {
        let text = files.get(reference).ok_or("the case has no such file")?;
        Ok((*text).to_owned())
    };
    let path = format!(".github/workflows/{name}");
    let outcome = read(&path, workflow, &called, &case.options);
    let got = match &outcome.plan {
        Some(plan) => {
            let mut json = to_json(plan, case.places);
            if case.has_events
                && let Some(on) = &plan.on
            {
                json["events"] = events_json(on);
            }
            json
        }
        None => {
            let messages = shown_on_github(&outcome.problems);
            let errors: Vec<Json> =
                messages.into_iter().map(|message| json!({ "Message": message })).collect();
            json!({ "errors": errors })
        }
    };
    // Both as they read, so that one number is not told from the same number.
    let got = pretty(&got);
    let expected = pretty(&sorted(expected));
    if got == expected { Ok(()) } else { Err(Mismatch { expected, got }) }
}

/// The options of a case.
struct Header {
    options: Options,
    places: SourcePlaces,
    /// Whether only GitHub's editor reads the case, which tells events, too.
    has_events: bool,
}

impl Header {
    /// Reads the `key: value` lines; the lines of `skip:` and of features are indented lists.
    fn read(text: &str) -> Self {
        let mut limits = Limits::default();
        let mut features = Vec::new();
        let mut skipped = Vec::new();
        let mut values = BTreeMap::new();
        for line in text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim()) {
            if let Some(item) = line.strip_prefix("- ") {
                skipped.push(item.to_lowercase());
            } else if let Some((key, value)) = line.split_once(':') {
                values.insert(key.trim(), value.trim());
            }
        }
        let is_set = |key: &str| values.get(key) == Some(&"true");
        let number = |key: &str| values.get(key).and_then(|value| value.parse::<usize>().ok());
        for (key, limit) in [
            ("max-file-size", &mut limits.file_chars_max),
            ("max-depth", &mut limits.depth_max),
            ("max-result-size", &mut limits.result_bytes_max),
            ("max-files", &mut limits.files_max),
            ("max-nested-reusable-workflows-depth", &mut limits.calls_depth_max),
        ] {
            *limit = number(key).unwrap_or(*limit);
        }
        limits.jobs_max = number("max-job-limit");
        if is_set("allowBackgroundSteps") {
            features.push(Feature::BackgroundSteps);
        }
        if is_set("allowDeployment") {
            features.push(Feature::DeploymentChoice);
        }
        let is_editor_case = skipped.iter().any(|item| item == "c#");
        let policy = match values.get("permissions-policy") {
            Some(&"Write") => DefaultPermissions::Write,
            _ => DefaultPermissions::Read,
        };
        let options = Options {
            dialect: if is_editor_case { Dialect::Editor } else { Dialect::Server },
            features,
            anchors: if is_set("allow-anchors") { Anchors::Allowed } else { Anchors::Refused },
            limits,
            default_permissions: policy,
            calls: if is_set("skip-reusable-workflows") { Calls::Skip } else { Calls::Follow },
        };
        let places =
            if is_set("include-source") { SourcePlaces::Shown } else { SourcePlaces::Left };
        let has_events = is_editor_case && skipped.iter().any(|item| item == "go");
        Self { options, places, has_events }
    }
}

/// The JSON with its keys in order and its whole numbers whole.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(object) => {
            let entries: BTreeMap<String, Json> =
                object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Json::Object(entries.into_iter().collect())
        }
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn pretty(json: &Json) -> String {
    format!("{:#}", sorted(json.clone()))
}
