//! The port that a program listens on, and those that others think it does.

use crate::code::listens;
use crate::dockerfile::{Dockerfile, asked};
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::{folder_of, name_of};
use crate::yaml::Node;

pub(super) const OTHER_PORT: Code = Code {
    id: "QX6003",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "two files that name different ports",
    explanation: "The program listens on one port; the image, its health check or the manifest name another. Nothing is refused when it is \
                  built: connections are, when it runs.",
    example: "EXPOSE 8080\nCMD [\"uvicorn\", \"app:app\", \"--port\", \"8000\"]",
    fix: "EXPOSE 8000\nCMD [\"uvicorn\", \"app:app\", \"--port\", \"8000\"]",
};

/// A port and where it is said.
type Said = (u16, String);

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    let mut known: Vec<(&str, Vec<Said>)> = Vec::new();
    for (path, file) in &reading.images {
        let listened = listened(reading, path, file);
        let exposed = file.exposed();
        if let Some((port, at)) = &listened {
            for (other, line) in exposed.iter().filter(|(other, _)| other != port) {
                // Several ports may be exposed, of which one is the program's.
                if exposed.iter().any(|(one, _)| one == port) {
                    continue;
                }
                let message =
                    format!("port {other} is exposed, and the program listens on {port} ({at})");
                findings.add(
                    &OTHER_PORT,
                    path,
                    Place::line(*line),
                    message,
                    format!("write `EXPOSE {port}`, or let the program listen on {other}"),
                );
            }
        }
        let mut ports: Vec<Said> = listened.into_iter().collect();
        if ports.is_empty() {
            ports.extend(exposed.iter().map(|(port, line)| (*port, format!("{path}:{line}"))));
        }
        health_check(path, file, &ports, findings);
        known.push((path, ports));
    }
    manifests(reading, &known, findings);
}

fn health_check(path: &str, file: &Dockerfile, ports: &[Said], findings: &mut Findings) {
    let Some(check) = file.last("HEALTHCHECK") else { return };
    let Some((Some(port), _)) = asked(&check.args) else { return };
    if ports.is_empty() || ports.iter().any(|(known, _)| *known == port) {
        return;
    }
    let (known, at) = &ports[0];
    let message =
        format!("the health check asks port {port}, and the program listens on {known} ({at})");
    findings.add(&OTHER_PORT, path, Place::line(check.line), message, format!("ask port {known}"));
}

/// The port of the program in an image: by its command line, its environment, or its source.
fn listened(reading: &Reading<'_>, path: &str, file: &Dockerfile) -> Option<Said> {
    for name in ["CMD", "ENTRYPOINT"] {
        let Some(command) = file.last(name) else { continue };
        let words = command
            .exec()
            .unwrap_or_else(|| command.args.split_whitespace().map(str::to_owned).collect());
        if let Some(port) = of_words(&words) {
            return Some((port, format!("{path}:{}", command.line)));
        }
    }
    let stage = file.last_stage();
    for set in file.named("ENV").filter(|one| one.stage == stage) {
        let text = set.args.replace("PORT ", "PORT=");
        let port = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("PORT=")?.trim_matches('"').parse().ok());
        if let Some(port) = port {
            return Some((port, format!("{path}:{}", set.line)));
        }
    }
    let folder = folder_of(path);
    let mut of_source = listens(reading.repository);
    of_source.retain(|one| folder.is_empty() || one.file.starts_with(&format!("{folder}/")));
    let first = of_source.first()?.clone();
    let all_same = of_source.iter().all(|one| one.port == first.port);
    all_same.then(|| (first.port, format!("{}:{}", first.file, first.line)))
}

/// The port in a command line: `--port 8000`, `--port=8000`, `-b 0.0.0.0:8000`.
fn of_words(words: &[String]) -> Option<u16> {
    let spaced = words.windows(2).find_map(|pair| {
        let names = ["--port", "-p", "--http-port", "--listen-port"];
        names.contains(&pair[0].as_str()).then(|| pair[1].parse().ok()).flatten()
    });
    let joined = || words.iter().find_map(|word| word.strip_prefix("--port=")?.parse().ok());
    let bound = || {
        words.iter().find_map(|word| {
            let word = word.split('=').next_back().unwrap_or(word);
            let (host, port) = word.rsplit_once(':')?;
            let is_host = host.is_empty()
                || host == "localhost"
                || host.chars().all(|c| c.is_ascii_digit() || c == '.');
            is_host.then(|| port.parse().ok()).flatten()
        })
    };
    spaced.or_else(joined).or_else(bound)
}

/// Containers of images that are built here.
fn manifests(reading: &Reading<'_>, known: &[(&str, Vec<Said>)], findings: &mut Findings) {
    for container in reading.objects.iter().flat_map(|object| object.containers()) {
        let image = container.node.text_at(&["image"]).unwrap_or_default();
        let name = name_of(image).split([':', '@']).next().unwrap_or_default();
        let of_image = |path: &str| name_of(folder_of(path)) == name && !name.is_empty();
        let built = match known {
            [only] => Some(only),
            several => several.iter().find(|(path, _)| of_image(path)),
        };
        let Some((_, ports)) = built.filter(|(_, ports)| !ports.is_empty()) else { continue };
        let is_ours = of_image(built.map_or("", |(path, _)| path))
            || reading.objects.iter().filter(|one| one.pod().is_some()).count() == 1;
        let declared = container.node.get("ports").map(Node::items).unwrap_or_default();
        let declared: Vec<&Node> =
            declared.iter().filter_map(|one| one.get("containerPort")).collect();
        let fits = |node: &&Node| {
            let port = node.text().and_then(|text| text.parse().ok());
            port.is_none_or(|port: u16| ports.iter().any(|(known, _)| *known == port))
        };
        // A container may have more ports, such as one for metrics.
        if !is_ours || declared.is_empty() || declared.iter().any(fits) {
            continue;
        }
        let (port, at) = &ports[0];
        let said = declared[0].text().unwrap_or_default();
        let message =
            format!("the manifest says port {said}, and the program listens on {port} ({at})");
        findings.add(
            &OTHER_PORT,
            container.file,
            declared[0].place,
            message,
            format!("write `containerPort: {port}`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_s_port_is_read() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of_words(&words("uvicorn app:app --port 8000")), Some(8000));
        assert_eq!(of_words(&words("gunicorn -b 0.0.0.0:9000 app:app")), Some(9000));
        assert_eq!(of_words(&words("gunicorn --bind=:9000 app:app")), Some(9000));
        assert_eq!(of_words(&words("python app.py")), None);
    }
}
