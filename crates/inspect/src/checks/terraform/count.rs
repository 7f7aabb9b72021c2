//! References to resources that there are several of, or none.

use std::collections::BTreeMap;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Block, Structure};

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::terraform::{File, Mentions, Module, Reference, Then, label};

pub(super) const INDEX: Code = Code {
    id: "QX3006",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a reference that does not fit a resource's count",
    explanation: "A resource with `count` is a list: it is referred to by `[0]`, and the list may be empty. A resource without is not a list. The \
                  plan fails with `Invalid index` or `Missing resource instance key`, often only in the environment where the count is 0.",
    example: "resource \"azurerm_public_ip\" \"web\" { count = var.public ? 1 : 0 }\noutput \"ip\" { value = azurerm_public_ip.web[0].ip_address }",
    fix: "output \"ip\" { value = one(azurerm_public_ip.web[*].ip_address) }",
};

/// How many there are of a resource.
#[derive(Clone, Debug, PartialEq)]
enum Number {
    One,
    /// `count` is this text; it may be 0 when the flag is set.
    Count {
        text: String,
        may_be_none: bool,
    },
    ForEach,
}

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for module in reading.modules.iter().filter(|module| module.broken.is_empty()) {
        let numbers = numbers(module);
        for file in &module.files {
            for structure in &file.body {
                let Structure::Block(block) = structure else { continue };
                let own_count = count_text(file, block);
                let mut attributes = Vec::new();
                collect(&block.body, &mut attributes);
                for value in attributes {
                    let mentions = Mentions::of(value);
                    for reference in &mentions.references {
                        let is_guarded = !mentions.unguarded.contains(reference);
                        look(&numbers, file, reference, is_guarded, own_count.as_deref(), findings);
                    }
                }
            }
        }
    }
}

/// The values of a block's attributes, but for lists of addresses, which are no values.
fn collect<'a>(body: &'a hcl_edit::structure::Body, found: &mut Vec<&'a Expression>) {
    let addresses = [
        "depends_on",
        "ignore_changes",
        "replace_triggered_by",
        "providers",
        "moved",
        "from",
        "to",
    ];
    for attribute in body.attributes().filter(|one| !addresses.contains(&one.key.as_str())) {
        found.push(&attribute.value);
    }
    body.blocks().for_each(|block| collect(&block.body, found));
}

fn numbers(module: &Module<'_>) -> BTreeMap<(String, String), Number> {
    let mut numbers = BTreeMap::new();
    for (file, block) in module.blocks("resource") {
        let (Some(kind), Some(name)) = (label(block, 0), label(block, 1)) else { continue };
        let number = match count_text(file, block) {
            Some(text) => {
                let value = block.body.get_attribute("count").map(|one| &one.value);
                Number::Count { text, may_be_none: value.is_some_and(may_be_none) }
            }
            None if block.body.has_attribute("for_each") => Number::ForEach,
            None => Number::One,
        };
        numbers.insert((kind.to_owned(), name.to_owned()), number);
    }
    numbers
}

fn count_text(file: &File<'_>, block: &Block) -> Option<String> {
    let count = block.body.get_attribute("count")?;
    let text = file.text.get(count.value.span()?)?;
    Some(text.split_whitespace().collect())
}

/// Whether one of the outcomes of a count is 0.
fn may_be_none(value: &Expression) -> bool {
    match value {
        Expression::Number(number) => number.as_u64() == Some(0),
        Expression::Conditional(both) => {
            may_be_none(&both.true_expr) || may_be_none(&both.false_expr)
        }
        Expression::Parenthesis(inner) => may_be_none(inner.inner()),
        _ => false,
    }
}

fn look(
    numbers: &BTreeMap<(String, String), Number>,
    file: &File<'_>,
    reference: &Reference,
    is_guarded: bool,
    own_count: Option<&str>,
    findings: &mut Findings,
) {
    let [kind, name, ..] = reference.names.as_slice() else { return };
    let Some(number) = numbers.get(&(kind.clone(), name.clone())) else { return };
    let address = format!("{kind}.{name}");
    let (message, hint) = match (number, &reference.then) {
        (Number::Count { .. }, Then::Attribute) => (
            format!("`{address}` has `count`, so it is a list, and a list has no attributes"),
            format!("write `{address}[0]`, or `one({address}[*])` where there may be none"),
        ),
        (Number::ForEach, Then::Attribute | Then::Index(_)) => (
            format!("`{address}` has `for_each`: each of it has a key, which is not said here"),
            format!("write `{address}[KEY]`, or `values({address})` for all"),
        ),
        (Number::One, Then::Index(_)) => (
            format!(
                "`{address}` has neither `count` nor `for_each`: there is only one, and no `[..]`"
            ),
            format!("write `{address}` without the index"),
        ),
        (Number::Count { text, may_be_none: true }, Then::Index(_))
            if !is_guarded && own_count != Some(text.as_str()) =>
        {
            (
                format!(
                    "`{address}` may have a count of 0, and then there is no such element: the plan fails"
                ),
                format!(
                    "write `one({address}[*].ATTRIBUTE)`, or give what uses it the same `count`"
                ),
            )
        }
        _ => return,
    };
    findings.add(&INDEX, file.path, file.place(reference.span.clone()), message, hint);
}
