//! `strategy.matrix`: values twice, and exclusions of what is not there.

use super::{Walk, codes};
use crate::language::{Token, TokenKind};

impl Walk<'_> {
    pub(super) fn matrix(&mut self, matrix: &Token) {
        for (key, vector) in matrix.entries() {
            if matches!(key.as_str(), None | Some("include" | "exclude")) {
                continue;
            }
            let items = vector.items();
            for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.has_expressions()) {
                if let Some(first) = items[..at].iter().find(|earlier| same(earlier, item)) {
                    let message = format!(
                        "`{}` is twice in `{}`, first at line {}",
                        shown(item),
                        key.text(),
                        first.position().line
                    );
                    self.report(&codes::MATRIX_DUPLICATE, item, message, None);
                }
            }
        }
        for item in matrix.get("exclude").map(Token::items).unwrap_or_default() {
            for (key, value) in item.entries() {
                self.excluded(matrix, key, value);
            }
        }
    }

    fn excluded(&mut self, matrix: &Token, key: &Token, value: &Token) {
        let name = key.text();
        let include = matrix.get("include");
        let is_open = include.is_some_and(|include| !include.is_sequence())
            || matrix.entries().iter().any(|(key, _)| key.is_expression());
        let vector = matrix.get(&name).filter(|_| !matches!(name.as_str(), "include" | "exclude"));
        let added = include.map_or(&[][..], Token::items);
        let is_open = is_open || added.iter().any(|item| !item.is_mapping());
        let possible: Vec<&Token> = vector
            .map_or(&[][..], Token::items)
            .iter()
            .chain(added.iter().filter_map(|item| item.get(&name)))
            .collect();
        let is_computed = vector.is_some_and(|vector| !vector.is_sequence());
        if possible.is_empty() && vector.is_none() && !is_open {
            let message = format!("the matrix has no `{name}` to exclude anything by");
            self.report(&codes::MATRIX_EXCLUDE, key, message, None);
        } else if !is_open && !is_computed && !possible.iter().any(|other| matches(value, other)) {
            let message = format!("no combination has `{}` as `{name}`", shown(value));
            let others: Vec<String> = possible.iter().map(|other| shown(other)).collect();
            let hint = format!("there is: {}", others.join(", "));
            self.report(&codes::MATRIX_EXCLUDE, value, message, Some(hint));
        }
    }
}

/// Whether an exclusion of `part` could match `whole`; what is computed can be anything.
fn matches(part: &Token, whole: &Token) -> bool {
    match (&part.kind, &whole.kind) {
        (TokenKind::Expression(_), _) | (_, TokenKind::Expression(_)) => true,
        (TokenKind::Mapping(entries), TokenKind::Mapping(_)) => entries
            .iter()
            .all(|(key, value)| whole.get(&key.text()).is_some_and(|other| matches(value, other))),
        (TokenKind::Sequence(items), TokenKind::Sequence(others)) => {
            items.len() <= others.len()
                && items.iter().zip(others).all(|(item, other)| matches(item, other))
        }
        (TokenKind::Mapping(_) | TokenKind::Sequence(_), _)
        | (_, TokenKind::Mapping(_) | TokenKind::Sequence(_)) => false,
        _ => part.text() == whole.text(),
    }
}

fn same(left: &Token, right: &Token) -> bool {
    left.value() == right.value()
}

fn shown(token: &Token) -> String {
    let text = match &token.kind {
        TokenKind::Sequence(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        TokenKind::Mapping(entries) => {
            let entry = |(key, value): &(Token, Token)| format!("{}: {}", key.text(), shown(value));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        _ => token.text(),
    };
    crate::excerpt(&text)
}
