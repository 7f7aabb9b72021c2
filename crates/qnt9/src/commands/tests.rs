//! What can be asked, what cannot, and what `--help` says.

use clap::{CommandFactory as _, Parser as _};
use expect_test::{Expect, expect};

use crate::cli::{Cli, Command};

/// The help of a command, or of the whole for an empty path.
fn help(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    let help = found.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

/// The first lines of what somebody is told who asked wrongly.
fn check_refused(line: &str, expected: &Expect) {
    let error = parse(line).unwrap_err();
    assert_eq!(error.exit_code(), 2, "a wrong use has its own exit code");
    let text = error.to_string();
    let told: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_names_every_command() {
    expect![[r#"
        From push to production on one machine

        Usage: qnt9 [OPTIONS] <COMMAND>

        Commands:
          up             Start the platform and deliver the reference system, or a repository of yours, to
                         production
          init           Look at a repository and propose what qnt9 needs to deliver it
          status         What is going on: environments, running and waiting runs; or what was, at an
                         earlier moment
          runs           List runs, or show one with its jobs
          logs           Print a job's log
          dispatch       Start a workflow by hand
          approve        Approve what waits for an environment
          reject         Reject what waits for an environment
          cancel         Stop a run
          rerun          Run an ended run once more, as a new run of the same commit; or a lost job, as
                         RUN.JOB
          resume         Look once more for the lost runner of a job: if it is found, what it did counts
          abandon        Give up a job whose runner was lost: it counts as failed
          why            Explain why a run, a job, an environment or a deployment stands where it stands
          policy         Rules before they bite
          environments   What is where, since when, by whom
          releases       List releases, or say what differs between two
          diff           What differs between two releases, or between what two environments serve
          deployments    List deployments
          promote        Let a blue-green release that waits at its preview have all traffic
          note           Note why a load test failed, so that the next try may begin
          rollback       Take an environment back to a release that ran there, or stop a rollout
          secrets        Secrets that jobs get
          notifications  List notifications
          evidence       List evidence, or record some (inside a step)
          audit          The log of facts: verify it offline, export it
          simulate       Live through seeded worlds in which everything goes wrong, or look into an exported
                         log
          doctor         Check this machine, a repository, an environment: what is lacking, where, and what
                         to do
          explain        Explain a code such as QX3001
          database       Databases of environments: masked copies, backups, their proof
          check          Checks of the source tree
          workflow       Workflow files
          expr           Evaluate an expression of the workflow language and print its value as JSON
          conformance    Run folders of cases that others wrote for the workflow language
          state          Terraform state (inside a step)
          plan           Terraform plans that approvals are for (inside a step)
          release        Build or find a release (inside a step)
          deploy         Deploy a release and wait until its rollout has ended (inside a step)
          url            Print an environment's address (inside a step)
          health         Check an environment's health once, through its address (inside a step)
          load           Load tests (inside a step)
          wait           Wait, and have it counted as waiting (inside a step)
          notify         Post a notification (inside a step)
          local          What only the platform on one machine has (inside a step)
          serve-static   Serve a folder of files to browsers: a service's command
          help           Print this message or the help of the given subcommand(s)

        Options:
          -h, --help
                  Print help

          -V, --version
                  Print version

        For every command:
              --json
                  Print data as JSON (JSON Lines where it streams)

              --data <DIR>
                  The data folder whose server is meant

              --project <NAME>
                  The project, where the server has several

              --as <PERSON>
                  Act as this person, whose token this machine keeps

        Exit codes: 0 done, 1 the thing asked for failed, 2 usage, 3 held by a gate, 4 the machine lacks
        something, 130 interrupted.
    "#]].assert_eq(&help(&[]));
}

#[test]
fn the_help_of_a_command_says_what_it_takes() {
    expect![[r#"
        Approve what waits for an environment

        Usage: qnt9 approve [OPTIONS] <ENVIRONMENT|RUN> [COMMIT]

        Arguments:
          <ENVIRONMENT|RUN>
                  An environment, or a run

          [COMMIT]
                  Only when it is this commit that waits

        Options:
              --comment <COMMENT>
                  A word about it, kept with the decision

          -h, --help
                  Print help

        For every command:
              --json
                  Print data as JSON (JSON Lines where it streams)

              --data <DIR>
                  The data folder whose server is meant

              --project <NAME>
                  The project, where the server has several

              --as <PERSON>
                  Act as this person, whose token this machine keeps
    "#]]
    .assert_eq(&help(&["approve"]));
    expect![[r#"
        Take an environment back to a release that ran there, or stop a rollout

        Usage: qnt9 rollback [OPTIONS] <--to <RELEASE>|--abort> <ENVIRONMENT>

        Arguments:
          <ENVIRONMENT>
                  The environment

        Options:
              --to <RELEASE>
                  A release's digest, the beginning of one, or a commit

              --abort
                  Stop the rollout that is going on; the release before it serves again

              --dry-run
                  Only say what would happen

          -h, --help
                  Print help

        For every command:
              --json
                  Print data as JSON (JSON Lines where it streams)

              --data <DIR>
                  The data folder whose server is meant

              --project <NAME>
                  The project, where the server has several

              --as <PERSON>
                  Act as this person, whose token this machine keeps
    "#]]
    .assert_eq(&help(&["rollback"]));
    expect![[r#"
        Set a secret; its value is read from standard input

        Usage: qnt9 secrets set [OPTIONS] <NAME>

        Arguments:
          <NAME>
                  Its name

        Options:
              --environment <ENVIRONMENT>
                  Only for jobs of this environment

          -h, --help
                  Print help

        For every command:
              --json
                  Print data as JSON (JSON Lines where it streams)

              --data <DIR>
                  The data folder whose server is meant

              --project <NAME>
                  The project, where the server has several

              --as <PERSON>
                  Act as this person, whose token this machine keeps
    "#]]
    .assert_eq(&help(&["secrets", "set"]));
}

#[test]
fn what_holds_for_every_command_may_stand_anywhere() {
    for line in ["qnt9 --json --as alice status", "qnt9 status --as alice --json"] {
        let common = parse(line).unwrap().common;
        assert!(common.json);
        assert_eq!(common.person.as_deref(), Some("alice"));
    }
}

#[test]
fn a_why_takes_one_word_or_two() {
    for (line, subject) in [
        ("qnt9 why production", &["production"][..]),
        ("qnt9 why 12.test.1", &["12.test.1"][..]),
        ("qnt9 why deployment 30", &["deployment", "30"][..]),
    ] {
        let Command::Why(why) = parse(line).unwrap().command else { panic!("{line}") };
        assert_eq!(why.subject, subject);
    }
}

#[test]
fn fields_are_taken_apart_at_the_first_equals_sign() {
    let line = "qnt9 dispatch ci -f a=b=c --field d= --ref develop";
    let Command::Dispatch(dispatch) = parse(line).unwrap().command else { panic!("{line}") };
    let expected = [("a", "b=c"), ("d", "")];
    assert_eq!(dispatch.fields, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(dispatch.r#ref.as_deref(), Some("develop"));
}

#[test]
fn whoever_is_asked_about_is_not_whoever_asks() {
    let line = "qnt9 --as root policy test --person dora --environment production";
    let cli = parse(line).unwrap();
    assert_eq!(cli.common.person.as_deref(), Some("root"));
    let Command::Policy(crate::cli::Policy::Test(test)) = cli.command else { panic!("{line}") };
    assert_eq!(test.wisher.as_deref(), Some("dora"));
}

#[test]
fn evidence_without_a_command_lists() {
    let Command::Evidence(evidence) = parse("qnt9 evidence").unwrap().command else {
        panic!("evidence")
    };
    assert!(evidence.record.is_none());
}

#[test]
fn a_wrong_use_is_told_what_is_wrong() {
    check_refused(
        "qnt9 rollback production",
        &expect![[r#"
        error: the following required arguments were not provided:
          <--to <RELEASE>|--abort>"#]],
    );
    check_refused(
        "qnt9 rollback production --to 4be1 --abort",
        &expect!["error: the argument '--to <RELEASE>' cannot be used with '--abort'"],
    );
    check_refused(
        "qnt9 rollback production --abort --dry-run",
        &expect!["error: the argument '--abort' cannot be used with '--dry-run'"],
    );
    check_refused(
        "qnt9 rerun 12 --failed --job test",
        &expect!["error: the argument '--failed' cannot be used with '--job <KEY>'"],
    );
    check_refused(
        "qnt9 status --at yesterday --fact 3",
        &expect!["error: the argument '--at <TIME>' cannot be used with '--fact <N>'"],
    );
    check_refused(
        "qnt9 policy test --person dora",
        &expect![[r#"
            error: the following required arguments were not provided:
              --environment <ENVIRONMENT>"#]],
    );
    check_refused(
        "qnt9 runs twelve",
        &expect!["error: invalid value 'twelve' for '[RUN]': invalid digit found in string"],
    );
    check_refused(
        "qnt9 resolve 12.test retry",
        &expect![[r#"
        error: invalid value 'retry' for '<DECISION>'
          [possible values: rerun, abandon]"#]],
    );
    check_refused(
        "qnt9 dispatch ci -f release",
        &expect!["error: invalid value 'release' for '--field <KEY=VALUE>': write it as KEY=VALUE"],
    );
    check_refused(
        "qnt9 secrets set NAME VALUE",
        &expect!["error: unexpected argument 'VALUE' found"],
    );
    check_refused("qnt9 stauts", &expect!["error: unrecognized subcommand 'stauts'"]);
    check_refused(
        "qnt9 up --exit --empty",
        &expect!["error: the argument '--exit' cannot be used with '--empty'"],
    );
}
