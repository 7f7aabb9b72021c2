//! Values of variables files beside the types of the variables.

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;

use super::variables::module_of;
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::terraform::{Module, label, text_of};

pub(super) const VALUE: Code = Code {
    id: "QX3019",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a value that its variable cannot take",
    explanation: "The variable has another type (`Invalid value for input variable`), or the file holds more than a constant: variables files know no \
                  references and no functions (`Variables not allowed`).",
    example: "# variables.tf: variable \"zones\" { type = list(string) }\nzones = \"1,2\"",
    fix: "zones = [\"1\", \"2\"]",
};

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, text) in reading.repository.ending(&[".tfvars"]) {
        let (Some(module), Ok(body)) =
            (module_of(reading, path), hcl_edit::parser::parse_body(text))
        else {
            continue;
        };
        for attribute in body.attributes() {
            let place = Place::of(text, attribute.value.span().map_or(0, |span| span.start));
            let name = attribute.key.as_str();
            let wrong = match not_constant(&attribute.value) {
                Some(hint) => Some((
                    format!("`{name}` is set to something other than a constant"),
                    hint.to_owned(),
                )),
                None => type_of(module, name).and_then(|wanted| {
                    let is = misfit(wanted, &attribute.value)?;
                    Some((
                        format!("`{name}` is declared as {wanted}, and this is {is}"),
                        hint(wanted).to_owned(),
                    ))
                }),
            };
            if let Some((message, hint)) = wrong {
                findings.add(&VALUE, path, place, message, hint);
            }
        }
    }
}

/// What to do about a value that terraform would have to compute.
fn not_constant(value: &Expression) -> Option<&'static str> {
    match value {
        Expression::Variable(_) => Some("a text stands in quotes"),
        Expression::Traversal(_) | Expression::StringTemplate(_) if text_of(value).is_none() => {
            Some("write the value itself, or compute it in `locals`")
        }
        Expression::FuncCall(_) => Some("write the value itself, or compute it in `locals`"),
        _ => None,
    }
}

/// The outermost word of a variable's type: `number`, `list`, `map`.
fn type_of<'a>(module: &'a Module<'_>, name: &str) -> Option<&'a str> {
    let (_, block) = module.blocks("variable").find(|(_, block)| label(block, 0) == Some(name))?;
    match &block.body.get_attribute("type")?.value {
        Expression::Variable(word) => Some(word.as_str()),
        Expression::FuncCall(call) => Some(call.name.name.as_str()),
        _ => None,
    }
}

/// What the value is, where terraform cannot convert it to the type.
fn misfit(wanted: &str, value: &Expression) -> Option<&'static str> {
    let is = match value {
        Expression::Array(_) => "a list",
        Expression::Object(_) => "an object",
        Expression::Bool(_) => "a truth value",
        Expression::Number(_) => "a number",
        Expression::String(_) | Expression::StringTemplate(_) => "a text",
        _ => return None,
    };
    let text = text_of(value);
    let fits = match wanted {
        "string" => !matches!(is, "a list" | "an object"),
        "number" => is == "a number" || text.is_some_and(|text| text.parse::<f64>().is_ok()),
        "bool" => {
            is == "a truth value" || text.is_some_and(|text| matches!(&text[..], "true" | "false"))
        }
        "list" | "set" | "tuple" => is == "a list",
        "map" | "object" => is == "an object",
        _ => true,
    };
    (!fits).then_some(is)
}

fn hint(wanted: &str) -> &'static str {
    match wanted {
        "number" => "write digits",
        "bool" => "write true or false",
        "list" | "set" | "tuple" => "write [\"..\", \"..\"]",
        "map" | "object" => "write { name = .. }",
        _ => "write a text in quotes",
    }
}
