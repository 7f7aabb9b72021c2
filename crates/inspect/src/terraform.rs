//! Terraform configuration: the files of each folder together, as terraform itself reads them.

use std::collections::BTreeMap;

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, FuncCall, Traversal, TraversalOperator};
use hcl_edit::structure::{Attribute, Block, Body};
use hcl_edit::visit::{Visit, visit_func_call, visit_traversal};

use crate::Repository;
use crate::finding::{Place, number};
use crate::repository::folder_of;

/// The `.tf` files of a folder.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) folder: &'a str,
    pub(crate) files: Vec<File<'a>>,
    /// Files that are no HCL: path, place, message. What they would have declared is not known.
    pub(crate) broken: Vec<(&'a str, Place, String)>,
}

#[derive(Debug)]
pub(crate) struct File<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) body: Body,
}

impl File<'_> {
    /// The place of something of this file.
    pub(crate) fn place(&self, span: Option<std::ops::Range<usize>>) -> Place {
        Place::of(self.text, span.map_or(0, |span| span.start))
    }
}

impl<'a> Module<'a> {
    /// Every folder with Terraform files, but for what `terraform init` fetched.
    pub(crate) fn all(repository: &'a Repository) -> Vec<Self> {
        let mut modules: BTreeMap<&str, Self> = BTreeMap::new();
        for (path, text) in repository.ending(&[".tf"]) {
            if path.contains(".terraform/") {
                continue;
            }
            let folder = folder_of(path);
            let module = modules.entry(folder).or_insert_with(|| Self {
                folder,
                files: Vec::new(),
                broken: Vec::new(),
            });
            match hcl_edit::parser::parse_body(text) {
                Ok(body) => module.files.push(File { path, text, body }),
                Err(error) => {
                    let at = error.location();
                    let place = Place { line: number(at.line()), column: number(at.column()) };
                    module.broken.push((path, place, error.message().to_owned()));
                }
            }
        }
        modules.into_values().collect()
    }

    /// Its top blocks of a kind, each with its file.
    pub(crate) fn blocks<'b>(
        &'b self,
        kind: &'b str,
    ) -> impl Iterator<Item = (&'b File<'a>, &'b Block)> {
        self.files
            .iter()
            .flat_map(move |file| file.body.get_blocks(kind).map(move |block| (file, block)))
    }

    /// The blocks within its `terraform` blocks of a kind.
    pub(crate) fn settings<'b>(
        &'b self,
        kind: &'b str,
    ) -> impl Iterator<Item = (&'b File<'a>, &'b Block)> {
        self.blocks("terraform").flat_map(move |(file, block)| {
            block.body.get_blocks(kind).map(move |inner| (file, inner))
        })
    }

    /// The variables that it declares.
    pub(crate) fn variables(&self) -> Vec<&str> {
        self.blocks("variable").filter_map(|(_, block)| label(block, 0)).collect()
    }

    /// Whether terraform is run in this folder itself: it has a backend, or configures providers.
    pub(crate) fn is_root(&self) -> bool {
        self.settings("backend").next().is_some()
            || self.settings("cloud").next().is_some()
            || self.blocks("provider").next().is_some()
    }
}

/// A block's label by its number.
pub(crate) fn label(block: &Block, at: usize) -> Option<&str> {
    block.labels.get(at).map(|label| label.as_str())
}

/// A constant text.
pub(crate) fn text_of(expression: &Expression) -> Option<String> {
    match expression {
        Expression::String(text) => Some(text.to_string()),
        Expression::StringTemplate(template) => {
            let mut whole = String::new();
            for element in template.iter() {
                whole.push_str(element.as_literal()?);
            }
            Some(whole)
        }
        _ => None,
    }
}

/// An attribute's constant text.
pub(crate) fn text_at(body: &Body, key: &str) -> Option<String> {
    text_of(&body.get_attribute(key)?.value)
}

/// Every attribute below, however deep.
pub(crate) fn attributes(body: &Body) -> Vec<&Attribute> {
    let mut found: Vec<&Attribute> = body.attributes().collect();
    for block in body.blocks() {
        found.extend(attributes(&block.body));
    }
    found
}

/// Every attribute that describes what there is to be. Blocks that say where something was before, or is to
/// be taken in, name what is not declared.
pub(crate) fn configured(body: &Body) -> Vec<&Attribute> {
    let mut found: Vec<&Attribute> = body.attributes().collect();
    let is_past = |block: &&Block| !["moved", "removed", "import"].contains(&block.ident.as_str());
    for block in body.blocks().filter(is_past) {
        found.extend(attributes(&block.body));
    }
    found
}

/// A reference such as `azurerm_public_ip.web[0].address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `azurerm_public_ip`, `web`: the names until something else comes.
    pub(crate) names: Vec<String>,
    /// What comes after the first two names.
    pub(crate) then: Then,
    pub(crate) span: Option<std::ops::Range<usize>>,
}

/// What follows the first two names of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    End,
    /// `.name`
    Attribute,
    /// `[0]`
    Index(u64),
    /// `[anything]` or `[*]`
    Other,
}

/// The references and calls of an expression.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    pub(crate) references: Vec<Reference>,
    /// Function names with their places.
    pub(crate) calls: Vec<(String, Option<std::ops::Range<usize>>)>,
    /// How many `try`, `can`, `one`, conditionals and splats are open around.
    guards: usize,
    /// References that nothing guards.
    pub(crate) unguarded: Vec<Reference>,
}

impl Mentions {
    pub(crate) fn of(expression: &Expression) -> Self {
        let mut mentions = Self::default();
        mentions.visit_expr(expression);
        mentions
    }
}

impl Visit for Mentions {
    fn visit_traversal(&mut self, node: &Traversal) {
        if let Expression::Variable(first) = &node.expr {
            let reference = reference(first.as_str(), node);
            if self.guards == 0 {
                self.unguarded.push(reference.clone());
            }
            self.references.push(reference);
        }
        visit_traversal(self, node);
    }

    fn visit_func_call(&mut self, node: &FuncCall) {
        let name = node.name.name.as_str().to_owned();
        let guards = matches!(name.as_str(), "try" | "can" | "one" | "element" | "length");
        self.calls.push((name, node.span()));
        self.guards += usize::from(guards);
        visit_func_call(self, node);
        self.guards -= usize::from(guards);
    }

    fn visit_conditional(&mut self, node: &hcl_edit::expr::Conditional) {
        self.visit_expr(&node.cond_expr);
        self.guards += 1;
        self.visit_expr(&node.true_expr);
        self.visit_expr(&node.false_expr);
        self.guards -= 1;
    }
}

fn reference(first: &str, node: &Traversal) -> Reference {
    let mut names = vec![first.to_owned()];
    let mut then = Then::End;
    for operator in &node.operators {
        let next = match operator.value() {
            TraversalOperator::GetAttr(name) if then == Then::End && names.len() < 2 => {
                names.push(name.as_str().to_owned());
                continue;
            }
            TraversalOperator::GetAttr(_) => Then::Attribute,
            TraversalOperator::Index(Expression::Number(number)) => {
                number.as_u64().map_or(Then::Other, Then::Index)
            }
            TraversalOperator::LegacyIndex(number) => Then::Index(**number),
            _ => Then::Other,
        };
        then = next;
        break;
    }
    Reference { names, then, span: node.span() }
}
