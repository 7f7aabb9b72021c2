//! Providers: constraints that exclude each other, and the lock file.

use std::collections::BTreeMap;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::join;
use crate::terraform::{Module, label, text_at, text_of};

pub(super) const CONFLICT: Code = Code {
    id: "QX3010",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "provider versions that exclude each other",
    explanation: "The configuration, one of its modules and the lock file ask for versions of a provider that no release satisfies at once: \
                  `terraform init` fails with `no available releases match`.",
    example: "# main.tf: azurerm ~> 4.0        # modules/network/main.tf: azurerm ~> 3.80",
    fix: "Ask for the same major version everywhere; after that: terraform init -upgrade, and commit .terraform.lock.hcl.",
};

pub(super) const NO_LOCK: Code = Code {
    id: "QX3011",
    area: Area::Terraform,
    severity: Severity::Warning,
    title: "no lock file for the providers",
    explanation: "Without .terraform.lock.hcl every job takes the newest provider that the constraints allow: the plan that was approved and the \
                  apply may use different ones, and a release of the provider breaks a pipeline in which nobody changed anything.",
    example: "infrastructure/\n  main.tf            # required_providers { azurerm = .. }\n  (no .terraform.lock.hcl)",
    fix: "terraform init && git add .terraform.lock.hcl      # and take it out of .gitignore",
};

/// A version, as far as it is numbers.
type Version = [u64; 3];

/// A provider's constraint in a file.
struct Asked<'a> {
    source: String,
    constraint: String,
    file: &'a str,
    place: Place,
}

pub(super) fn constraints(reading: &Reading<'_>, findings: &mut Findings) {
    for module in
        reading.modules.iter().filter(|module| module.is_root() || !is_called(reading, module))
    {
        let mut asked: BTreeMap<String, Vec<Asked<'_>>> = BTreeMap::new();
        for one in tree(reading, module) {
            for asks in required(one) {
                asked.entry(asks.source.clone()).or_default().push(asks);
            }
        }
        for all in asked.values() {
            for pair in 1..all.len() {
                let together: Vec<&str> =
                    all[..=pair].iter().map(|one| one.constraint.as_str()).collect();
                let before: Vec<&str> = together[..pair].to_vec();
                if can_be_met(&before) && !can_be_met(&together) {
                    let (one, other) = (&all[pair], &all[pair - 1]);
                    let message = format!(
                        "{} {} cannot be met together with {} of {}:{}",
                        one.source, one.constraint, other.constraint, other.file, other.place.line
                    );
                    let hint =
                        "ask for the same major version in both, then `terraform init -upgrade`";
                    findings.add(&CONFLICT, one.file, one.place, message, hint);
                }
            }
            against_lock(reading, module, all, findings);
        }
    }
}

/// Whether another module calls this one.
fn is_called(reading: &Reading<'_>, module: &Module<'_>) -> bool {
    reading.modules.iter().any(|caller| calls(caller).iter().any(|folder| folder == module.folder))
}

/// The folders of the modules that it calls.
fn calls(module: &Module<'_>) -> Vec<String> {
    let sources = module.blocks("module").filter_map(|(_, block)| text_at(&block.body, "source"));
    sources
        .filter(|source| source.starts_with('.'))
        .filter_map(|source| join(module.folder, &source))
        .collect()
}

/// The module and all that it calls, directly or through others.
fn tree<'a, 'b>(reading: &'b Reading<'a>, module: &'b Module<'a>) -> Vec<&'b Module<'a>> {
    let mut found = vec![module];
    let mut at = 0;
    while let Some(one) = found.get(at).copied() {
        for folder in calls(one) {
            let called = reading.modules.iter().find(|module| module.folder == folder);
            if let Some(called) =
                called.filter(|called| !found.iter().any(|known| std::ptr::eq(*known, *called)))
            {
                found.push(called);
            }
        }
        at += 1;
    }
    found
}

fn required<'a>(module: &'a Module<'_>) -> Vec<Asked<'a>> {
    let mut found = Vec::new();
    for (file, block) in module.settings("required_providers") {
        for attribute in block.body.attributes() {
            let name = attribute.key.as_str();
            let (source, constraint, span) = match &attribute.value {
                Expression::Object(object) => {
                    let value = |key: &str| {
                        object.iter().find(|(one, _)| {
                            one.as_ident().is_some_and(|ident| ident.as_str() == key)
                        })
                    };
                    let source = value("source").and_then(|(_, value)| text_of(value.expr()));
                    let Some((_, version)) = value("version") else { continue };
                    (source, text_of(version.expr()), version.expr().span())
                }
                value => (None, text_of(value), value.span()),
            };
            let Some(constraint) = constraint else { continue };
            found.push(Asked {
                source: source.unwrap_or_else(|| format!("hashicorp/{name}")),
                constraint,
                file: file.path,
                place: file.place(span),
            });
        }
    }
    found
}

fn against_lock(
    reading: &Reading<'_>,
    module: &Module<'_>,
    asked: &[Asked<'_>],
    findings: &mut Findings,
) {
    let Some(path) = join(module.folder, ".terraform.lock.hcl") else { return };
    let Some(Ok(body)) = reading.repository.text(&path).map(hcl_edit::parser::parse_body) else {
        return;
    };
    for block in body.get_blocks("provider") {
        let Some(source) = label(block, 0) else { continue };
        let Some(locked) = text_at(&block.body, "version").and_then(|text| version(&text)) else {
            continue;
        };
        for one in asked.iter().filter(|one| source.ends_with(&format!("/{}", one.source))) {
            if !meets(&one.constraint, locked) {
                let [major, minor, patch] = locked;
                let message = format!(
                    "{} {} excludes the version in {path}, {major}.{minor}.{patch}",
                    one.source, one.constraint
                );
                let hint = "run `terraform init -upgrade` and commit the lock file, or mend the constraint";
                findings.add(&CONFLICT, one.file, one.place, message, hint);
            }
        }
    }
}

pub(super) fn lock(reading: &Reading<'_>, findings: &mut Findings) {
    for module in reading.modules.iter().filter(|module| module.is_root()) {
        let Some(path) = join(module.folder, ".terraform.lock.hcl") else { continue };
        if reading.repository.has_file(&path) {
            continue;
        }
        let mut providers = module.settings("required_providers");
        let first = providers
            .find_map(|(file, block)| block.body.attributes().next().map(|one| (file, one)));
        if let Some((file, attribute)) = first {
            let message =
                format!("there is no {path}: every job takes the newest provider that is allowed");
            let hint =
                "run `terraform init` and commit .terraform.lock.hcl (take it out of .gitignore)";
            findings.add(&NO_LOCK, file.path, file.place(attribute.span()), message, hint);
        }
    }
}

/// The numbers of a version; what follows them does not count.
fn version(text: &str) -> Option<Version> {
    let mut numbers = text.trim().trim_start_matches('v').split(['.', '-', '+']);
    let mut next = || numbers.next().map_or(Some(0), |part| part.parse().ok());
    let first = next()?;
    Some([first, next().unwrap_or(0), next().unwrap_or(0)])
}

/// The parts of a constraint: sign, version, how many numbers it names.
fn parts(constraint: &str) -> Option<Vec<(&str, Version, usize)>> {
    let one = |part: &'_ str| {
        let part = part.trim();
        let digits = part.find(|c: char| c.is_ascii_digit())?;
        let number = &part[digits..];
        Some((digits, version(number)?, number.split('.').count()))
    };
    constraint
        .split(',')
        .map(|part| {
            let (digits, version, count) = one(part)?;
            Some((part.trim()[..digits].trim(), version, count))
        })
        .collect()
}

/// Whether a version meets a constraint; one that cannot be read is met by all.
fn meets(constraint: &str, version: Version) -> bool {
    let Some(parts) = parts(constraint) else { return true };
    parts.iter().all(|(sign, bound, count)| match *sign {
        "" | "=" => version == *bound,
        "!=" => version != *bound,
        ">" => version > *bound,
        ">=" => version >= *bound,
        "<" => version < *bound,
        "<=" => version <= *bound,
        "~>" => {
            // All but the last number that is named must be the same.
            let fixed = count.saturating_sub(1).min(2);
            version >= *bound && version[..fixed] == bound[..fixed]
        }
        _ => true,
    })
}

/// Whether some version meets all of them: one at a bound, or just beside it.
fn can_be_met(constraints: &[&str]) -> bool {
    let bounds = constraints.iter().filter_map(|one| parts(one)).flatten();
    let candidates = bounds.flat_map(|(_, [major, minor, patch], _)| {
        let below = match (major, minor, patch) {
            (major, minor, 1..) => [major, minor, patch - 1],
            (major, 1.., 0) => [major, minor - 1, 999],
            (1.., 0, 0) => [major - 1, 999, 999],
            _ => [0, 0, 0],
        };
        [[major, minor, patch], [major, minor, patch + 1], below]
    });
    let candidates: Vec<Version> = candidates.collect();
    candidates.is_empty()
        || candidates.iter().any(|one| constraints.iter().all(|rule| meets(rule, *one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_met_as_terraform_meets_them() {
        for (constraint, version, holds) in [
            ("~> 3.0", [3, 117, 0], true),
            ("~> 3.0", [4, 0, 0], false),
            ("~> 3.80.1", [3, 80, 9], true),
            ("~> 3.80.1", [3, 81, 0], false),
            (">= 3.0, < 4.0", [3, 9, 9], true),
            ("!= 3.1.0", [3, 1, 0], false),
            ("3.1", [3, 1, 0], true),
        ] {
            assert_eq!(meets(constraint, version), holds, "{constraint} {version:?}");
        }
    }

    #[test]
    fn constraints_that_exclude_each_other_are_told_from_those_that_do_not() {
        for (together, can) in [
            (vec!["~> 3.0", "~> 4.0"], false),
            (vec![">= 3.0", "~> 4.0"], true),
            (vec!["< 4.0", ">= 3.5"], true),
            (vec!["< 4.0", ">= 4.0"], false),
            (vec!["> 3.0.0", "< 3.0.1"], false),
            (vec!["what?"], true),
        ] {
            assert_eq!(can_be_met(&together), can, "{together:?}");
        }
    }
}
