//! What is wrong with a file, drawn under its line.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use qnt9_workflow::Diagnostic;

/// Each with its file, line, column and the line itself.
pub fn draw(text: &str, diagnostics: &[Diagnostic]) -> String {
    let renderer = Renderer::plain();
    let drawn = diagnostics.iter().map(|diagnostic| {
        let end = diagnostic.span.end.min(text.len());
        let mark = AnnotationKind::Primary.span(diagnostic.span.start.min(end)..end);
        let snippet = Snippet::source(text).path(diagnostic.file.as_str()).annotation(mark);
        let title = Level::ERROR.primary_title(diagnostic.message.as_str());
        let mut report = title.element(snippet);
        if let Some(hint) = &diagnostic.hint {
            report = report.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[report])
    });
    drawn.map(|report| format!("{report}\n\n")).collect()
}
