//! Amounts of memory and processor that cannot be meant.

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::yaml::Node;

pub(super) const ABSURD: Code = Code {
    id: "QX4006",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "resources that cannot be meant",
    explanation: "`128m` of memory is an eighth of a byte, `512` is 512 bytes, `cpu: 500` is five hundred processors, and a request above the \
                  limit is refused. The pod is killed at once, or waits for a node that does not exist.",
    example: "resources:\n  requests: { cpu: 500, memory: 256 }\n  limits: { memory: 128m }",
    fix: "resources:\n  requests: { cpu: 500m, memory: 256Mi }\n  limits: { memory: 512Mi }",
};

/// Less than this cannot hold a process.
const MEMORY_BYTES_MIN: f64 = 4.0 * 1024.0 * 1024.0;
/// More than this no node has.
const MEMORY_BYTES_MAX: f64 = 4.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0;
/// More than this no node has.
const PROCESSORS_MAX: f64 = 128.0;

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for object in &reading.objects {
        for container in object.containers() {
            for resource in ["cpu", "memory"] {
                let node = |kind: &str| container.node.at(&["resources", kind, resource]);
                let (request, limit) = (node("requests"), node("limits"));
                for one in [request, limit].into_iter().flatten() {
                    if let Some((message, hint)) = absurd(resource, one) {
                        findings.add(&ABSURD, container.file, one.place, message, hint);
                    }
                }
                let amounts = amount(request).zip(amount(limit));
                if let (Some((asked, most)), Some(request)) = (amounts, request)
                    && asked > most
                {
                    let message = format!(
                        "the request for {resource} is above its limit: the API refuses it"
                    );
                    findings.add(
                        &ABSURD,
                        container.file,
                        request.place,
                        message,
                        "raise the limit, or lower the request",
                    );
                }
            }
        }
    }
}

fn absurd(resource: &str, node: &Node) -> Option<(String, String)> {
    let text = node.text()?;
    let value = amount(Some(node))?;
    if resource == "cpu" {
        let message = format!("`cpu: {text}` is {value} processors, which no node has");
        return (value > PROCESSORS_MAX)
            .then(|| (message, format!("write `{text}m` for thousandths of a processor")));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if value < MEMORY_BYTES_MIN {
        let message = format!("`memory: {text}` is {value} bytes, which no program fits in");
        return Some((message, format!("write `{digits}Mi`")));
    }
    let message = format!("`memory: {text}` is more than any node has");
    (value > MEMORY_BYTES_MAX)
        .then(|| (message, format!("write `{digits}Mi` or `{digits}Gi`, whichever is meant")))
}

/// A quantity as a number; `None` for what is none, such as a placeholder.
fn amount(node: Option<&Node>) -> Option<f64> {
    const SUFFIXES: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("m", 0.001),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let text = node?.text()?.trim();
    let suffixed =
        SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (digits, factor) = suffixed.unwrap_or((text, 1.0));
    digits.parse::<f64>().ok().map(|number| number * factor)
}
