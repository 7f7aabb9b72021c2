use expect_test::{Expect, expect};

use super::*;

fn listener(environment: &str, address: &str) -> Listener {
    Listener {
        place: Place { environment: environment.into(), service: "stock".to_owned() },
        generation: 1,
        address: address.parse().unwrap(),
        rollout: None,
        arms: vec![],
    }
}

fn arm(name: &str, weight: u32) -> Arm {
    Arm { arm: name.to_owned(), weight, backends: vec![] }
}

fn refused(listeners: Vec<Listener>, expected: &Expect) {
    let config = Config { generation: 1, listeners };
    expected.assert_eq(&config.check().unwrap_err().to_string());
}

#[test]
fn what_is_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read_config(dir.path()).unwrap(), None);
    let mut production = listener("production", "127.0.0.1:9013");
    production.rollout = Some(DeploymentId(7));
    production.arms = vec![arm("old", 95), arm("new", 5)];
    production.arms[1].backends = vec!["127.0.0.1:41017".parse().unwrap()];
    let config = Config { generation: 3, listeners: vec![production] };
    write_config(dir.path(), &config).unwrap();
    assert_eq!(read_config(dir.path()).unwrap(), Some(config));
    expect![[r#"
        {
          "generation": 3,
          "listeners": [
            {
              "place": {
                "environment": "production",
                "service": "stock"
              },
              "generation": 1,
              "address": "127.0.0.1:9013",
              "rollout": 7,
              "arms": [
                {
                  "arm": "old",
                  "weight": 95,
                  "backends": []
                },
                {
                  "arm": "new",
                  "weight": 5,
                  "backends": [
                    "127.0.0.1:41017"
                  ]
                }
              ]
            }
          ]
        }
    "#]]
    .assert_eq(&fs::read_to_string(dir.path().join(CONFIG_FILE)).unwrap());
}

#[test]
fn contradictions_are_refused() {
    refused(
        vec![listener("staging", "127.0.0.1:9012"), listener("production", "127.0.0.1:9012")],
        &expect!["staging/stock and production/stock both want the address 127.0.0.1:9012"],
    );
    refused(
        vec![listener("staging", "127.0.0.1:9012"), listener("staging", "127.0.0.1:9013")],
        &expect!["staging/stock has more than one listener"],
    );
    refused(
        vec![listener("staging", "127.0.0.1:0")],
        &expect!["staging/stock wants the address 127.0.0.1:0, but port 0 names no port"],
    );
    let mut twice = listener("staging", "127.0.0.1:9012");
    twice.arms = vec![arm("a", 1), arm("a", 1)];
    refused(vec![twice], &expect![[r#"staging/stock has more than one arm "a""#]]);
    let mut heavy = listener("staging", "127.0.0.1:9012");
    heavy.arms = vec![arm("a", 1_000_001)];
    refused(
        vec![heavy],
        &expect![[r#"arm "a" of staging/stock has the weight 1000001, the largest is 1000000"#]],
    );
}

#[test]
fn a_refused_configuration_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let good = Config { generation: 1, listeners: vec![listener("staging", "127.0.0.1:9012")] };
    write_config(dir.path(), &good).unwrap();
    let mut bad = good.clone();
    bad.listeners.push(listener("production", "127.0.0.1:9012"));
    write_config(dir.path(), &bad).unwrap_err();
    assert_eq!(read_config(dir.path()).unwrap(), Some(good));
}

#[test]
fn an_unknown_field_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(CONFIG_FILE), r#"{"generation": 1, "listeners": [], "colour": 1}"#)
        .unwrap();
    let error = read_config(dir.path()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    expect!["unknown field `colour`, expected `generation` or `listeners` at line 1 column 43"]
        .assert_eq(&cause);
}
