//! What is wrong with a `strategy:` before its expressions have values.

use super::converter::Converter;
use crate::language::Token;
use crate::nearest::nearest;
use crate::value::equals_ignoring_case;

impl Converter<'_> {
    pub(super) fn check_strategy(&mut self, strategy: &Token) {
        let Some(matrix) = strategy.get("matrix").filter(|matrix| matrix.is_mapping()) else {
            return;
        };
        let mut vectors: Vec<&str> = Vec::new();
        let (mut has_vector, mut has_include) = (false, false);
        for (key, value) in matrix.entries() {
            match key.as_str() {
                None => has_vector = true,
                Some("include") => {
                    has_include = value.has_expressions() || !value.items().is_empty();
                }
                Some("exclude") => {}
                Some(name) => {
                    has_vector = true;
                    if value.is_sequence() && value.items().is_empty() {
                        let message = format!("Matrix vector '{name}' does not contain any values");
                        self.report(value, message);
                    } else {
                        vectors.push(name);
                    }
                }
            }
        }
        if !has_vector && !has_include {
            self.report(matrix, "Matrix must define at least one vector");
        }
        if !strategy.has_expressions() {
            self.check_filters(matrix, &vectors);
        }
    }

    fn check_filters(&mut self, matrix: &Token, vectors: &[&str]) {
        for item in matrix.get("include").map(Token::items).unwrap_or_default() {
            if item.is_mapping() && item.entries().is_empty() {
                self.report(item, "Matrix include mapping does not contain any values");
            }
        }
        for item in matrix.get("exclude").map(Token::items).unwrap_or_default() {
            if item.is_mapping() && item.entries().is_empty() {
                self.report(item, "Matrix exclude filter must not be empty");
            }
            for (key, _) in item.entries() {
                let name = key.text();
                if !vectors.iter().any(|vector| equals_ignoring_case(vector, &name)) {
                    let message = format!(
                        "Matrix exclude key '{name}' does not match any key within the matrix"
                    );
                    let hint = nearest(&name, vectors.iter().copied());
                    let hint = hint.map(|known| format!("did you mean `{known}`?"));
                    self.report_with_hint(key, message, hint);
                }
            }
        }
    }
}
