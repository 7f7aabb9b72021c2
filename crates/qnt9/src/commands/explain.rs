//! `qnt9 explain`: what a code means.

use std::process::ExitCode;

use qnt9_inspect::{CODES, Code};

use super::asking::{format, print};
use crate::cli::{Common, Explain};
use crate::failure::Failure;
use crate::render::Table;

/// Explains one code, or lists all.
pub fn run(common: &Common, args: &Explain) -> Result<ExitCode, Failure> {
    match &args.code {
        None => {
            let codes: Vec<&Code> = CODES.iter().copied().flatten().collect();
            print(format(common), &codes, |codes| list(codes));
        }
        Some(id) => {
            let code = find(id)?;
            print(format(common), code, text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(id: &str) -> Result<&'static Code, Failure> {
    let found = CODES.iter().copied().flatten().find(|code| code.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| {
        Failure::new(format!("there is no code `{id}`")).hint("`qnt9 explain` lists all of them")
    })
}

fn list(codes: &[&Code]) -> String {
    let mut table = Table::bare();
    codes.iter().for_each(|code| table.row([code.id.to_owned(), code.title.to_owned()]));
    table.text(0, "")
}

fn text(code: &Code) -> String {
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let Code { id, title, explanation, example, fix, .. } = code;
    format!("{id}: {title}\n\n{explanation}\n\nFor example:\n{}\nFix:\n{}", indented(example), indented(fix))
}
