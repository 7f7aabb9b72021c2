//! Random input, the same to us and to another program that is known to be right.

mod differences;
mod expressions;
mod generator;
mod oracle;
mod random;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
usage: cargo xtask fuzz expressions [--count N] [--seed S]

  Evaluates N random expressions (100000) with random contexts, ours and with GitHub's own
  `@actions/expressions` under node, and compares value or kind of error. Every disagreement is
  printed as a case, as small as it could be made; exit code 1 if there was one.
  The same seed (1) gives the same expressions. npm installs the package into target/ once.
";

pub(crate) fn fuzz(args: &[String]) -> Result<()> {
    match args.first().map(String::as_str) {
        Some("expressions") => {
            let (mut count, mut seed) = (100_000, 1);
            for pair in args[1..].chunks(2) {
                let [name, value] = pair else { bail!("`{}` wants a value\n\n{USAGE}", pair[0]) };
                let value = value
                    .replace('_', "")
                    .parse()
                    .with_context(|| format!("{name} {value}: that is no whole number"))?;
                match name.as_str() {
                    "--count" => count = value,
                    "--seed" => seed = value,
                    _ => bail!("`{name}` is unknown\n\n{USAGE}"),
                }
            }
            expressions::run(count, seed)
        }
        _ => bail!("{USAGE}"),
    }
}
