//! Values for variables that nobody declared. terraform only warns of them, late and among other
//! output, and its JSON plan does not have them at all; a misspelt name then silently keeps its
//! default.

use std::fmt;

use hcl_edit::structure::{Body, Structure};
use hcl_edit::{Ident, Span as _};

#[cfg(test)]
mod tests;

/// One file: its name and its text.
pub type NamedText<'a> = (&'a str, &'a str);

/// A value for a variable that the root module does not declare. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeclared {
    /// The file with the value.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// The variable.
    pub name: String,
    /// The declared variable that was most likely meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, name, nearest } = self;
        write!(f, "{file}:{line}:{column}: there is no variable `{name}`")?;
        nearest.as_ref().map_or(Ok(()), |nearest| write!(f, "; did you mean `{nearest}`?"))
    }
}

/// A file that is not HCL.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be read as HCL")]
pub struct NotHcl {
    /// Which file.
    pub file: String,
    /// What is wrong, and where.
    #[source]
    pub source: Box<hcl_edit::parser::Error>,
}

/// The values in `tfvars` (`*.tfvars` files) for which no file of `module` (the `*.tf` files of the
/// root module) declares a variable.
///
/// # Errors
/// [`NotHcl`] for the first file that cannot be read. The JSON forms of both files are not HCL and
/// are refused so.
pub fn undeclared(
    tfvars: &[NamedText<'_>],
    module: &[NamedText<'_>],
) -> Result<Vec<Undeclared>, NotHcl> {
    let mut declared = Vec::new();
    for (file, text) in module {
        declared.extend(declarations(&parse(file, text)?));
    }
    let mut found = Vec::new();
    for (file, text) in tfvars {
        let body = parse(file, text)?;
        let names = body.iter().filter_map(Structure::as_attribute).map(|value| &value.key);
        let unknown = names.filter(|name| !declared.iter().any(|known| known == name.as_str()));
        found.extend(unknown.map(|name| report(file, text, name, &declared)));
    }
    Ok(found)
}

fn parse(file: &str, text: &str) -> Result<Body, NotHcl> {
    let parsed = hcl_edit::parser::parse_body(text);
    parsed.map_err(|source| NotHcl { file: file.to_owned(), source: Box::new(source) })
}

/// The names of the `variable "NAME" {}` blocks.
fn declarations(body: &Body) -> Vec<String> {
    let blocks = body.iter().filter_map(Structure::as_block);
    let variables = blocks.filter(|block| block.ident.as_str() == "variable");
    variables.filter_map(|block| block.labels.first()).map(|label| label.as_str().into()).collect()
}

fn report(
    file: &str,
    text: &str,
    name: &hcl_edit::Decorated<Ident>,
    declared: &[String],
) -> Undeclared {
    let start = name.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let line = before.matches('\n').count() + 1;
    let distance = |known: &&String| strsim::damerau_levenshtein(name.as_str(), known);
    let nearest = declared.iter().min_by_key(distance);
    let nearest = nearest.filter(|near| distance(near) <= near.len().div_ceil(3)).cloned();
    Undeclared {
        file: file.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        name: name.as_str().to_owned(),
        nearest,
    }
}
