//! Values that differ at every plan.

use hcl_edit::Span as _;
use hcl_edit::structure::{Block, Body};

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::terraform::{File, Mentions, attributes};

pub(super) const EVERY_PLAN: Code = Code {
    id: "QX3002",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a value that differs at every plan",
    explanation: "`timestamp()`, `uuid()` and `bcrypt()` give another value each time, so every plan shows a change although nobody \
                  changed anything. Approvals that are bound to a plan lapse, drift cannot be told from noise, and people stop reading plans.",
    example: "tags = { LastModified = timestamp() }",
    fix: "Leave it out (the provider knows when something changed), or hold it still: `resource \"time_static\" \"created\" {}`, or\n\
          lifecycle { ignore_changes = [tags[\"LastModified\"]] }",
};

const UNSTEADY: &[&str] = &["timestamp", "uuid", "bcrypt"];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        for kind in ["resource", "module", "data"] {
            for (file, block) in module.blocks(kind) {
                in_body(file, &block.body, &ignored(file, block), findings);
            }
        }
        for (file, block) in module.blocks("locals") {
            in_body(file, &block.body, &[], findings);
        }
    }
}

fn in_body(file: &File<'_>, body: &Body, ignored: &[String], findings: &mut Findings) {
    for attribute in attributes(body) {
        let name = attribute.key.as_str();
        if ignored.iter().any(|one| one == "all" || one == name) {
            continue;
        }
        for (call, span) in Mentions::of(&attribute.value).calls {
            if UNSTEADY.contains(&call.as_str()) {
                let message =
                    format!("`{call}()` differs at every plan, so `{name}` changes every time");
                let hint = "leave it out, hold it still with a `time_static` resource, or list it in lifecycle.ignore_changes";
                let place = file.place(span.or_else(|| attribute.span()));
                findings.add(&EVERY_PLAN, file.path, place, message, hint);
            }
        }
    }
}

/// The attributes whose changes are ignored.
fn ignored(file: &File<'_>, block: &Block) -> Vec<String> {
    let lifecycles = block.body.get_blocks("lifecycle");
    let lists = lifecycles.filter_map(|lifecycle| lifecycle.body.get_attribute("ignore_changes"));
    let texts = lists.filter_map(|list| file.text.get(list.value.span()?));
    texts
        .flat_map(|text| {
            let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
