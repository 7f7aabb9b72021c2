//! What every page must hold to: no markup of users, nothing from elsewhere, proven forms, and words
//! for whoever cannot see.

use std::collections::BTreeSet;

use super::html::{Tag, tags};
use super::{every_page, for_every_page, samples};
use crate::Visitor;

#[test]
fn nothing_a_user_wrote_becomes_markup() {
    for_every_page(|name, page| {
        assert!(!page.contains("<img"), "{name}");
        let scripts: Vec<Tag> = tags(page).into_iter().filter(|tag| tag.name == "script").collect();
        assert_eq!(scripts.len(), 1, "{name}");
        assert!(scripts[0].get("src").is_some_and(|src| src.starts_with("/assets/")), "{name}");
        for tag in tags(page) {
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on"), "{name}: {key}");
                assert!(!value.trim_start().starts_with("javascript:"), "{name}: {value}");
            }
        }
    });
}

#[test]
fn pages_load_nothing_from_elsewhere_and_style_nothing_inline() {
    for_every_page(|name, page| {
        for tag in tags(page) {
            assert!(tag.get("style").is_none(), "{name}: style on {}", tag.name);
            assert_ne!(tag.name, "style", "{name}");
            for loaded in ["link", "script", "img", "iframe", "object"] {
                if tag.name == loaded {
                    let from = tag.get("src").or(tag.get("href")).unwrap_or_default();
                    assert!(from.starts_with("/assets/"), "{name}: {loaded} from {from}");
                }
            }
        }
        assert!(page.len() < 60 * 1024, "{name} has {} bytes", page.len());
    });
}

#[test]
fn every_form_that_changes_something_is_proven() {
    for_every_page(|name, page| {
        for form in page.split("<form").skip(1) {
            let form = format!("<form{}", form.split("</form>").next().expect("it ends"));
            let inside = tags(&form);
            if inside[0].get("method") != Some("post") {
                continue;
            }
            let action = inside[0].get("action").expect("every form says where it posts to");
            if action.starts_with("/login") {
                continue;
            }
            let proof = inside.iter().find(|tag| tag.get("name") == Some("csrf"));
            let proof = proof.and_then(|tag| tag.get("value"));
            assert_eq!(proof, Some(format!("proof-for-{action}").as_str()), "{name}: {action}");
        }
    });
}

#[test]
fn a_visitor_without_a_session_gets_no_form_that_changes_something() {
    for sample in samples() {
        for (name, page) in every_page(&sample, &Visitor::default()) {
            if name != "sign in" {
                assert!(!page.contains("method=\"post\""), "{name}");
            }
        }
    }
}

#[test]
fn every_page_can_be_read_without_eyes() {
    for_every_page(|name, page| {
        let tags = tags(page);
        let count = |wanted: &str| tags.iter().filter(|tag| tag.name == wanted).count();
        assert_eq!((count("h1"), count("main")), (1, 1), "{name}");
        let (head, _) = page.split_once("</head>").expect("a page has a head");
        assert!(head.contains("<title>") && !head.contains("<title> ·"), "{name}");
        assert!(tags.iter().any(|tag| tag.get("lang") == Some("en")), "{name}");
        let labelled: BTreeSet<&str> = tags.iter().filter_map(|tag| tag.get("for")).collect();
        let mut ids = BTreeSet::new();
        let mut level = 1;
        for tag in &tags {
            if let Some(id) = tag.get("id") {
                assert!(ids.insert(id), "{name}: the id {id} stands twice");
                assert!(!id.contains(' '), "{name}: {id}");
            }
            match tag.name.as_str() {
                "input" | "select" if tag.get("type") != Some("hidden") => {
                    let id = tag.get("id").unwrap_or_default();
                    assert!(labelled.contains(id), "{name}: the field {id} has no label");
                }
                "th" => assert!(tag.get("scope").is_some(), "{name}: a heading of nothing"),
                "nav" => assert!(tag.get("aria-label").is_some(), "{name}"),
                "svg" if tag.get("aria-hidden").is_none() => {
                    assert!(tag.get("aria-label").is_some(), "{name}: a picture without words");
                }
                "h1" | "h2" | "h3" => {
                    let next: u32 = tag.name[1..].parse().expect("a level");
                    assert!(next <= level + 1, "{name}: {} after h{level}", tag.name);
                    level = next;
                }
                _ => {}
            }
        }
        for label in labelled {
            assert!(ids.contains(label), "{name}: a label for {label}, which is not there");
        }
        let described = tags.iter().filter_map(|tag| tag.get("aria-labelledby"));
        for by in described {
            assert!(ids.contains(by), "{name}: described by {by}, which is not there");
        }
    });
}
