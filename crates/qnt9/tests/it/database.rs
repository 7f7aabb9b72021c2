//! Databases and checks by the command line, outside a step.

use std::fs;
use std::process::Output;

use crate::platform::{Home, said};

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn outside_a_step_everything_must_be_said() {
    let home = Home::new();
    let classes = home.path("classes.toml");
    let classes = classes.to_str().unwrap();
    let copy =
        ["database", "copy", "--from", "production", "--to", "staging", "--classes", classes];
    let missing = home.run(&copy);
    assert_eq!(code(&missing), Some(1), "{}", said(&missing));
    assert!(said(&missing).contains("cannot read"), "{}", said(&missing));

    fs::write(classes, "[users]\nemail = \"mail\"\n").unwrap();
    let wrong = home.run(&copy);
    assert_eq!(code(&wrong), Some(1));
    assert!(said(&wrong).contains("classes.toml:2: `users.email`: there is no class `mail`"));

    fs::write(classes, "[users]\nemail = \"e-mail\"\n").unwrap();
    let unsaid = home.run(&copy);
    assert_eq!(code(&unsaid), Some(2), "{}", said(&unsaid));
    assert!(said(&unsaid).contains("--from-url URL"), "{}", said(&unsaid));
    let url = "postgres://u:hidden@127.0.0.1:1/db";
    let no_key = home.run(&[&copy[..], &["--from-url", url, "--to-url", url]].concat());
    assert_eq!(code(&no_key), Some(2));
    assert!(said(&no_key).contains("--key-file FILE"), "{}", said(&no_key));

    let verify = ["database", "verify-backup", "--env", "production", "--url", url];
    let unreachable = home.run(&verify);
    assert_eq!(code(&unreachable), Some(1));
    assert!(
        said(&unreachable).contains("cannot connect to 127.0.0.1:1/db"),
        "{}",
        said(&unreachable)
    );
    assert!(!said(&unreachable).contains("hidden"));
    let age = home.run(&[&verify[..], &["--max-age", "1 day"]].concat());
    assert_eq!(code(&age), Some(2));
}

#[test]
fn a_check_without_an_engine_says_so_and_never_passes() {
    let home = Home::new();
    for kind in ["static-analysis", "dependencies", "coverage", "infrastructure", "image"] {
        let check = home.run(&["check", kind]);
        assert_eq!(code(&check), Some(4), "{}", said(&check));
        assert!(said(&check).contains("is not there yet"), "{}", said(&check));
        let available = home.run(&["check", "available", kind]);
        assert_eq!(code(&available), Some(0), "{}", said(&available));
        assert!(said(&available).contains("not there yet; instead: "), "{}", said(&available));
    }
}
