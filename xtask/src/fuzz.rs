//! Random input, the same to us and to another program that is known to be right.

mod differences;
mod expressions;
mod generator;
mod hostile;
mod oracle;
mod random;
mod yaml;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
usage: cargo xtask fuzz expressions [--count N] [--seed S]
       cargo xtask fuzz yaml [--minutes N] [--seed S]

  expressions
         Evaluates N random expressions (100000) with random contexts, ours and with GitHub's own
         `@actions/expressions` under node, and compares value or kind of error. Every disagreement
         is printed as a case, as small as it could be made. npm installs the package into target/.
  yaml   Reads hostile and damaged workflow files for N minutes (10): there must be no panic, no more
         than 50 MB of memory, and no error without a position. Files that fail are kept in target/.

  The same seed (1) gives the same input. Exit code 1 when something was found.
";

pub(crate) fn fuzz(args: &[String]) -> Result<()> {
    match args.first().map(String::as_str) {
        Some("expressions") => {
            let [count, seed] = numbers(&args[1..], [("--count", 100_000), ("--seed", 1)])?;
            expressions::run(count, seed)
        }
        Some("yaml") => {
            let [minutes, seed] = numbers(&args[1..], [("--minutes", 10), ("--seed", 1)])?;
            yaml::run(minutes, seed)
        }
        _ => bail!("{USAGE}"),
    }
}

/// The values of two options, each of which has a default.
fn numbers(args: &[String], options: [(&str, u64); 2]) -> Result<[u64; 2]> {
    let mut values = options.map(|(_, default)| default);
    for pair in args.chunks(2) {
        let name = &pair[0];
        let Some(at) = options.iter().position(|(known, _)| known == name) else {
            bail!("`{name}` is unknown\n\n{USAGE}");
        };
        let value = pair.get(1).with_context(|| format!("`{name}` wants a number"))?;
        values[at] = value
            .replace('_', "")
            .parse()
            .with_context(|| format!("{name} {value}: that is no whole number"))?;
    }
    Ok(values)
}
