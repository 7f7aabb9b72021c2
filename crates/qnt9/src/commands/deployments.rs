//! `qnt9 deployments` and `qnt9 deployments show ID`

use std::process::ExitCode;

use qnt9_server::api::shapes::{DeploymentShape, SummaryShape};

use super::asking::{Asking, query};
use crate::cli::{Common, Deployments, DeploymentsCommand};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::deployments;

/// Lists them.
pub async fn run(common: &Common, args: &Deployments) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    if let Some(DeploymentsCommand::Show { id, markdown }) = &args.command {
        return show(&ask, id, *markdown).await;
    }
    let query = query(&[("environment", args.environment.as_deref())]);
    let deployments: Vec<DeploymentShape> = ask.get(&format!("/deployments{query}")).await?;
    ask.print(&deployments, |deployments, clock| deployments::list(deployments, clock));
    Ok(ExitCode::SUCCESS)
}

/// One of them in one page. Without `--markdown` the signs that only renderers read are left out.
async fn show(ask: &Asking, id: &str, markdown: bool) -> Result<ExitCode, Failure> {
    let summary: SummaryShape = ask.get(&format!("/deployments/{}/summary", segment(id))).await?;
    ask.print(&summary, |summary, _| {
        if markdown {
            format!("## {}\n\n{}", summary.title, summary.markdown.trim_end())
        } else {
            plain(&summary.title, &summary.markdown)
        }
    });
    Ok(ExitCode::SUCCESS)
}

fn plain(title: &str, markdown: &str) -> String {
    let kept = |line: &&str| !matches!(*line, "```" | "| | |" | "| --- | --- |");
    let bare = |line: &str| match line.strip_prefix("| ") {
        Some(row) => match row.trim_end_matches(" |").split_once(" | ") {
            Some((name, value)) => format!("  {name:<14} {}", value.replace('`', "")),
            None => row.to_owned(),
        },
        None => match line.strip_prefix("### ") {
            Some(heading) => heading.to_owned(),
            None => format!("  {}", line.replace('`', "")).trim_end().to_owned(),
        },
    };
    let lines: Vec<String> = markdown.lines().filter(kept).map(bare).collect();
    format!("{title}\n\n{}", lines.join("\n").trim_end())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_page_for_terminals_has_no_signs_of_markdown() {
        let markdown = "| | |\n| --- | --- |\n| Commit | `c1` |\n\n### Gates\n\n- opened\n\n\
                        ```\n✓ branch main\n```\n";
        expect![[r#"
            r1 serves production

              Commit         c1

            Gates

              - opened

              ✓ branch main"#]]
        .assert_eq(&plain("r1 serves production", markdown));
    }
}
