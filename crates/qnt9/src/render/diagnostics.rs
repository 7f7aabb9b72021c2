//! What is wrong with a file, drawn under its line.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use qnt9_workflow::lint::{Finding, Severity};

/// Each with its code, file, line, column and the line itself.
pub fn findings(text: &str, findings: &[Finding]) -> String {
    let drawn = findings.iter().map(|finding| draw(text, finding));
    drawn.map(|report| format!("{report}\n\n")).collect()
}

fn draw(text: &str, finding: &Finding) -> String {
    let diagnostic = &finding.diagnostic;
    let level = match finding.code.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let end = diagnostic.span.end.min(text.len());
    let mark = AnnotationKind::Primary.span(diagnostic.span.start.min(end)..end);
    let snippet = Snippet::source(text).path(diagnostic.file.as_str()).annotation(mark);
    let title = level.primary_title(diagnostic.message.as_str()).id(finding.code.id);
    let mut report = title.element(snippet);
    if let Some(hint) = &diagnostic.hint {
        report = report.element(Level::HELP.message(hint.as_str()));
    }
    Renderer::plain().render(&[report])
}
