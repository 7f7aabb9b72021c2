use expect_test::expect;

use super::*;

fn checks() -> Vec<Check> {
    let found = Check {
        id: "QX3002".to_owned(),
        category: "terraform".to_owned(),
        place: Some(Place { file: "main.tf".to_owned(), line: 3, column: 5 }),
        ..Check::ok("QX3002", "`timestamp()` differs at every plan", "")
            .but(Verdict::Fail, "leave it out")
    };
    vec![
        Check::ok("machine.git", "2.47.2", "Deliveries begin with a push."),
        Check::ok("machine.terraform", "not on this machine", "").but(Verdict::Fail, "install it"),
        Check::ok("workflow", "3 files, nothing is wrong", ""),
        found,
    ]
}

#[test]
fn what_is_lacking_comes_with_its_place_and_what_to_do() {
    let examination = Examination { checks: checks(), warnings: 0, failures: 2 };
    expect![[r#"
        machine
          ✓ git        2.47.2
          ✗ terraform  not on this machine
              install it

        workflow
          ✓ workflow   3 files, nothing is wrong

        terraform
          ✗ main.tf:3:5  QX3002
              `timestamp()` differs at every plan
              leave it out

        2 well, 0 warnings, 2 failed
        what a code means: qnt9 explain QX3002
    "#]]
    .assert_eq(&text(&examination));
}

#[test]
fn checks_are_chosen_by_id_category_or_code() {
    let chosen = |only: &[&str], skip: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut checks = checks();
        select(&mut checks, &own(only), &own(skip))
            .map(|()| checks.into_iter().map(|check| check.id).collect::<Vec<_>>())
    };
    assert_eq!(chosen(&["machine"], &["git"]).unwrap(), ["machine.terraform"]);
    assert_eq!(chosen(&["QX3002", "workflow"], &[]).unwrap(), ["workflow", "QX3002"]);
    let refused = chosen(&["wrong"], &[]).unwrap_err();
    assert_eq!(refused.exit, Exit::Usage);
    assert!(refused.to_string().contains("machine, workflow, terraform"), "{refused}");
}
