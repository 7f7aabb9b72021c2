//! Just enough of HTML to look at our own pages.

/// One opening tag with its attributes, unescaped.
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The opening tags of a page. Text and attribute values have `<` and `>` escaped, so every `<`
/// begins a tag; a page that breaks this fails the tests below.
pub(super) fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    for piece in page.split('<').skip(1) {
        let (inside, _) = piece.split_once('>').expect("every tag is closed");
        if inside.starts_with(['/', '!']) {
            continue;
        }
        let (name, mut rest) = inside.split_once([' ']).unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        while !rest.trim().is_empty() {
            rest = rest.trim_start();
            let end = rest.find(['=', ' ']).unwrap_or(rest.len());
            let key = rest[..end].to_owned();
            rest = &rest[end..];
            let mut value = String::new();
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let (inner, after) = quoted.split_once('"').expect("every value is closed");
                value = inner.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
                rest = after;
            }
            attributes.push((key, value));
        }
        tags.push(Tag { name: name.to_owned(), attributes });
    }
    tags
}

/// The text of a page between two marks, one line per block.
pub(super) fn text_between(page: &str, from: &str, to: &str) -> String {
    let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    let (part, _) = rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from}"));
    // A mark inside a tag: the text begins behind it.
    let part = if from.ends_with('>') { part } else { part.split_once('>').map_or("", |(_, p)| p) };
    let (mut text, rest) = match part.split_once('<') {
        Some((first, rest)) => (first.to_owned(), rest),
        None => (part.to_owned(), ""),
    };
    const BLOCKS: [&str; 10] =
        ["li", "p", "h1", "h2", "tr", "dt", "form", "small", "section", "code"];
    for piece in rest.split('<') {
        let (tag, after) = piece.split_once('>').unwrap_or((piece, ""));
        let name: String = tag.chars().take_while(|c| !c.is_whitespace()).collect();
        text.push(if BLOCKS.contains(&name.as_str()) { '\n' } else { ' ' });
        text.push_str(&after.replace("&lt;", "<").replace("&gt;", ">"));
        if name == "/td" || name == "/th" {
            text.push_str(" | ");
        }
    }
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}
