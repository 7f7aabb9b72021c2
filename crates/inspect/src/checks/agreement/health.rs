//! The path that is asked whether the service is well, and those that the service answers.

use crate::code::{health_routes, routes};
use crate::dockerfile::asked;
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::name_of;

pub(super) const OTHER_PATH: Code = Code {
    id: "QX6004",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "a health check at a path the service does not answer",
    explanation: "The check gets 404. A new release never counts as healthy, so that the rollout fails although the program works.",
    example: "health = \"/health\"                 # the router is mounted at /api/v1",
    fix: "health = \"/api/v1/health\"",
};

/// Somebody asks a path.
struct Asks {
    path: String,
    file: String,
    place: Place,
    who: &'static str,
}

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    let healthy = health_routes(reading.repository);
    if healthy.is_empty() {
        // Where the source is not understood, nothing is claimed.
        return;
    }
    let answered: Vec<String> =
        routes(reading.repository).into_iter().map(|route| route.path).collect();
    for asks in all(reading) {
        let path = asks.path.split('?').next().unwrap_or_default();
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        if path == "/" || answered.iter().any(|known| known == path) {
            continue;
        }
        let near = healthy.iter().min_by_key(|route| {
            let same_end = name_of(&route.path) == name_of(path);
            (!same_end, route.path.len().abs_diff(path.len()))
        });
        let Some(near) = near else { continue };
        let message = format!(
            "{} asks {path}, and the service answers {} ({}:{})",
            asks.who, near.path, near.file, near.line
        );
        findings.add(&OTHER_PATH, &asks.file, asks.place, message, format!("ask {}", near.path));
    }
}

fn all(reading: &Reading<'_>) -> Vec<Asks> {
    let mut found = Vec::new();
    let mut add = |path: &str, file: &str, place: Place, who: &'static str| {
        if path.starts_with('/') && !path.contains(['$', '{']) {
            found.push(Asks { path: path.to_owned(), file: file.to_owned(), place, who });
        }
    };
    for service in reading.rules.iter().flat_map(|rules| &rules.services) {
        if let Some((path, place)) = &service.health {
            add(path, crate::rules::FILE, *place, "`health`");
        }
    }
    for container in reading.objects.iter().flat_map(|object| object.containers()) {
        for (probe, who) in [
            ("readinessProbe", "the readiness probe"),
            ("livenessProbe", "the liveness probe"),
            ("startupProbe", "the startup probe"),
        ] {
            let Some(node) = container.node.at(&[probe, "httpGet", "path"]) else { continue };
            add(node.text().unwrap_or_default(), container.file, node.place, who);
        }
    }
    for (path, file) in &reading.images {
        if let Some(check) = file.last("HEALTHCHECK")
            && let Some((_, asked)) = asked(&check.args)
        {
            add(&asked, path, Place::line(check.line), "the health check");
        }
    }
    for flow in &reading.flows {
        for (_, script) in flow.scripts() {
            for (line, text) in script.lines() {
                for path in asked_by_script(text) {
                    add(&path, &flow.file, Place::line(line), "this step");
                }
            }
        }
    }
    found
}

/// The health paths that a line of a script asks by curl or wget, of a service of this repository: one whose
/// address is local or comes from a variable.
fn asked_by_script(line: &str) -> Vec<String> {
    if !["curl ", "wget "].iter().any(|tool| line.contains(tool)) {
        return Vec::new();
    }
    let words = line.split(|c: char| c.is_whitespace() || "\"'`;|()".contains(c));
    let paths = words.filter_map(|word| {
        let rest = match word.split_once("://") {
            Some((_, rest)) => rest,
            None => word.strip_prefix('$')?,
        };
        let (host, path) = rest.split_once('/')?;
        let is_ours = word.starts_with('$')
            || host.contains('$')
            || host.starts_with("localhost")
            || host.starts_with("127.0.0.1");
        let path = format!("/{}", path.trim_end_matches('}'));
        let end = name_of(path.split('?').next().unwrap_or_default()).to_owned();
        let is_health =
            ["health", "healthz", "ready", "readyz", "livez", "live"].contains(&end.as_str());
        (is_ours && is_health && !path.contains("${{")).then_some(path)
    });
    paths.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_asks_of_its_own_service_is_read() {
        assert_eq!(asked_by_script("curl -fsS \"$URL/health\""), ["/health"]);
        assert_eq!(
            asked_by_script("curl http://localhost:8000/api/v1/health || exit 1"),
            ["/api/v1/health"]
        );
        assert_eq!(asked_by_script("curl https://api.example.com/health"), [""; 0]);
        assert_eq!(asked_by_script("echo $URL/health"), [""; 0]);
    }
}
