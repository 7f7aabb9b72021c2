//! Documents: their shape and their keys stay; every text and every number in them is replaced sign by
//! sign, but at paths that the file keeps.

use serde_json::Value;

use super::keyed::Keyed;
use super::letters::{self, Signs};

/// Paths of keys, such as `address.city`, at and below which nothing is replaced. Lists do not count.
pub(crate) type Paths = Vec<String>;

/// The document with its leaves replaced, or nothing when it is none.
pub(crate) fn replace(keyed: &Keyed, text: &str, kept: &Paths) -> Option<String> {
    turn(text, kept, &mut |leaf| letters::replace(keyed, leaf, Signs::All))
}

/// Every text of the document that is replaced.
pub(crate) fn replaced_texts(text: &str, kept: &Paths) -> Vec<String> {
    let mut texts = Vec::new();
    turn(text, kept, &mut |leaf| {
        texts.push(leaf.to_owned());
        leaf.to_owned()
    });
    texts
}

/// Every text and number of the document, and its keys; the text as it is when it is no document.
pub(crate) fn all_texts(text: &str) -> Vec<String> {
    fn collect(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::String(text) => texts.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Value::Object(map) => {
                for (key, value) in map {
                    texts.push(key.clone());
                    collect(value, texts);
                }
            }
            Value::Number(number) => texts.push(number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut texts = Vec::new();
    match serde_json::from_str(text) {
        Ok(value) => collect(&value, &mut texts),
        Err(_) => texts.push(text.to_owned()),
    }
    texts
}

fn turn(text: &str, kept: &Paths, leaf: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    walk(&mut value, "", kept, leaf);
    Some(value.to_string())
}

fn walk(value: &mut Value, path: &str, kept: &Paths, leaf: &mut dyn FnMut(&str) -> String) {
    if kept.iter().any(|kept| kept == path) {
        return;
    }
    match value {
        Value::String(text) => *text = leaf(text),
        Value::Number(number) => {
            // Digits become digits; where that gives no number (a leading zero), the amount goes.
            let made = leaf(&number.to_string());
            *value = serde_json::from_str(&made).unwrap_or_else(|_| Value::from(0));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, path, kept, leaf)),
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                walk(value, &format!("{path}{dot}{key}"), kept, leaf);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replace::keyed::MaskingKey;

    #[test]
    fn what_the_file_does_not_keep_is_replaced() {
        let keyed = MaskingKey::new([7; 32]).function("json");
        let text = r#"{"kind":"sign-up","who":{"mail":"anna@firma.de","age":41},"tags":["Anna"]}"#;
        let made = replace(&keyed, text, &vec!["kind".to_owned()]).unwrap();
        let value: Value = serde_json::from_str(&made).unwrap();
        assert_eq!(value["kind"], "sign-up");
        for gone in ["anna", "firma", "Anna", "41"] {
            assert!(!made.contains(gone), "{made}");
        }
        assert!(value["who"]["age"].is_number());
        let texts = replaced_texts(text, &vec!["kind".to_owned(), "who.age".to_owned()]);
        assert_eq!(texts, ["anna@firma.de", "Anna"]);
        assert_eq!(replace(&keyed, "{", &vec![]), None);
        assert!(all_texts(text).contains(&"mail".to_owned()));
    }
}
