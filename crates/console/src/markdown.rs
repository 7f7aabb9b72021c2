//! The part of Markdown that job summaries use: headings, lists, tables, code, emphasis, links.
//! Anything else, HTML included, is shown as the text it is.

use maud::{Markup, html};

/// Renders Markdown. What a user wrote never becomes markup of its own.
#[must_use]
pub fn render(text: &str) -> Markup {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    let mut blocks = Vec::new();
    while at < lines.len() {
        let (block, used) = block(&lines[at..]);
        blocks.push(block);
        at += used;
    }
    html! { div.md { @for block in blocks { (block) } } }
}

/// The block at the head of the lines, and how many of them it takes (at least one).
fn block(lines: &[&str]) -> (Markup, usize) {
    let line = lines[0].trim_end();
    if line.trim().is_empty() {
        return (html! {}, 1);
    }
    if line.starts_with("```") {
        let body: Vec<&str> =
            lines[1..].iter().take_while(|line| !line.starts_with("```")).copied().collect();
        let used = (body.len() + 2).min(lines.len());
        return (html! { pre { code { (body.join("\n")) } } }, used);
    }
    let heading = line.trim_start_matches('#');
    if heading.len() < line.len() && heading.starts_with(' ') {
        return (html! { h3 { (inline(heading.trim())) } }, 1);
    }
    if is_row(line) && lines.get(1).is_some_and(|line| is_rule(line)) {
        let rows: Vec<&str> = lines.iter().take_while(|line| is_row(line)).copied().collect();
        return (table(&rows), rows.len());
    }
    if item(line).is_some() {
        let items: Vec<&str> = lines.iter().map_while(|line| item(line)).collect();
        let used = items.len();
        return (html! { ul { @for item in items { li { (inline(item)) } } } }, used);
    }
    let is_text = |line: &&&str| {
        !line.trim().is_empty()
            && !line.starts_with("```")
            && !line.starts_with('#')
            && !is_row(line)
            && item(line).is_none()
    };
    let rest: Vec<&str> = lines[1..].iter().take_while(is_text).copied().collect();
    let text = [&[line][..], &rest[..]].concat().join(" ");
    (html! { p { (inline(&text)) } }, rest.len() + 1)
}

fn is_row(line: &str) -> bool {
    line.trim().starts_with('|')
}

fn is_rule(line: &str) -> bool {
    is_row(line) && line.contains('-') && line.chars().all(|c| "|-: \t".contains(c))
}

fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))
}

fn table(rows: &[&str]) -> Markup {
    let cells = |row: &str| -> Vec<String> {
        let row = row.trim();
        let row = row.strip_prefix('|').unwrap_or(row);
        let row = row.strip_suffix('|').unwrap_or(row);
        row.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    html! {
        table {
            thead { tr { @for cell in cells(rows[0]) { th scope="col" { (inline(&cell)) } } } }
            tbody { @for row in &rows[2..] { tr { @for cell in cells(row) { td { (inline(&cell)) } } } } }
        }
    }
}

/// Emphasis, code and links within a line.
fn inline(text: &str) -> Markup {
    let mut parts: Vec<Markup> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = code(rest).or_else(|| strong(rest)).or_else(|| link(rest));
        match found {
            Some((part, used)) => {
                parts.push(html! { (std::mem::take(&mut plain)) (part) });
                rest = &rest[used..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    html! { @for part in parts { (part) } (plain) }
}

fn code(text: &str) -> Option<(Markup, usize)> {
    let inner = text.strip_prefix('`')?;
    let end = inner.find('`')?;
    Some((html! { code { (&inner[..end]) } }, end + 2))
}

fn strong(text: &str) -> Option<(Markup, usize)> {
    let inner = text.strip_prefix("**")?;
    let end = inner.find("**").filter(|end| *end > 0)?;
    Some((html! { strong { (&inner[..end]) } }, end + 4))
}

/// Links lead to http and https only.
fn link(text: &str) -> Option<(Markup, usize)> {
    let inner = text.strip_prefix('[')?;
    let middle = inner.find("](")?;
    let end = middle + inner[middle..].find(')')?;
    let (words, href) = (&inner[..middle], &inner[middle + 2..end]);
    let is_web = href.starts_with("https://") || href.starts_with("http://");
    is_web.then(|| (html! { a href=(href) rel="noreferrer" { (words) } }, end + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_job_summary_becomes_headings_and_a_table() {
        let text = "## Staging\n\n| Stage | Result |\n| --- | --- |\n| Lint | **success**, `x` |\n\nSee [it](https://e.org) and [no](javascript:alert)\n- one\n- <b>two</b>\n```\n<i>\n";
        expect_test::expect![[r#"<div class="md"><h3>Staging</h3><table><thead><tr><th scope="col">Stage</th><th scope="col">Result</th></tr></thead><tbody><tr><td>Lint</td><td><strong>success</strong>, <code>x</code></td></tr></tbody></table><p>See <a href="https://e.org" rel="noreferrer">it</a> and [no](javascript:alert)</p><ul><li>one</li><li>&lt;b&gt;two&lt;/b&gt;</li></ul><pre><code>&lt;i&gt;</code></pre></div>"#]].assert_eq(&render(text).into_string());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_and_brings_no_markup(text in "([|#*`\\[\\]()<>\"\n -]|script|http://|.)*") {
            let shown = render(&text).into_string();
            prop_assert!(!shown.contains("<script"));
        }
    }
}
