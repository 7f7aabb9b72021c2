//! The workflow that delivers: check, build a release, and bring it from environment to environment.

use super::places::Environment;
use super::program::Program;
use super::{Wishes, quoted};

/// The text of the workflow.
pub(super) fn deliver(wishes: &Wishes, program: &Program, environments: &[Environment]) -> String {
    let mut branches: Vec<&str> = Vec::new();
    for environment in environments {
        for branch in &environment.branches.value {
            if !branches.contains(&branch.as_str()) {
                branches.push(branch);
            }
        }
    }
    if branches.is_empty() {
        branches.push(&wishes.branch);
    }
    let listed: Vec<String> = branches.iter().map(|branch| quoted(branch)).collect();
    let service = &program.service.value;
    let needs = if program.checks.is_empty() { "" } else { "\n    needs: check" };
    let mut text = format!(
        "# Check, build once, and bring that one release from environment to environment.\n\
         # What an environment waits for stands in qnt9.toml.\n\
         name: Deliver\n\n\
         on:\n  push:\n    branches: [{}]\n  workflow_dispatch:\n\n\
         permissions:\n  contents: read\n\njobs:\n",
        listed.join(", ")
    );
    if !program.checks.is_empty() {
        text.push_str(
            "  check:\n    runs-on: ubuntu-latest\n    timeout-minutes: 15\n    steps:\n",
        );
        text.push_str("      - uses: actions/checkout@v4\n");
        text.push_str(&steps(&program.checks));
        text.push_str("      - run: qnt9 evidence record tests --result success\n\n");
    }
    text.push_str(&format!(
        "  release:{needs}\n    runs-on: ubuntu-latest\n    timeout-minutes: 15\n    outputs:\n      \
         digest: ${{{{ steps.release.outputs.digest }}}}\n    steps:\n      - uses: actions/checkout@v4\n"
    ));
    text.push_str(&steps(&program.build));
    let release = program.release.join(" ");
    text.push_str(&format!(
        "      - id: release\n        run: qnt9 release build --service {service} {release}\n"
    ));
    let several = branches.len() > 1;
    let mut before = "release".to_owned();
    for environment in environments {
        let name = &environment.name.value;
        let own = environment.branches.value.as_slice();
        let condition = match environment.manual {
            Some(_) => "\n    if: github.event_name == 'workflow_dispatch'".to_owned(),
            None if several => condition(own),
            None => String::new(),
        };
        // Environments of different branches do not wait for each other: one of them is always skipped.
        let needs = if several || before == "release" {
            "release".to_owned()
        } else {
            format!("[release, {before}]")
        };
        text.push_str(&format!(
            "\n  deploy-{name}:\n    needs: {needs}{condition}\n    runs-on: ubuntu-latest\n    environment: {name}\n    \
             timeout-minutes: 30\n    env:\n      RELEASE: ${{{{ needs.release.outputs.digest }}}}\n    steps:\n      \
             - run: qnt9 deploy --environment {name} --release \"$RELEASE\"\n      \
             - run: qnt9 health --environment {name}\n"
        ));
        before = format!("deploy-{name}");
    }
    text
}

/// A job that runs for these branches only.
fn condition(branches: &[String]) -> String {
    let tests: Vec<String> =
        branches.iter().map(|branch| format!("github.ref_name == '{branch}'")).collect();
    format!("\n    if: {}", tests.join(" || "))
}

fn steps(commands: &[String]) -> String {
    commands.iter().map(|command| format!("      - run: {command}\n")).collect()
}
