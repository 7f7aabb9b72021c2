use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&Classes::read("classes.toml", text).unwrap_err().to_string());
}

#[test]
fn a_file_says_what_becomes_of_each_column() {
    let text = r#"
signing_keys = "no-rows"
[users]
id    = "key"
email = "e-mail"
age   = { class = "number", noise_percent = 5, min = 18 }
born  = { class = "date", days = 10, by = "id" }
notes = { class = "free-text", domain = "words" }

["billing.invoices"]
payload = { class = "json", keep = ["kind"] }
"#;
    let classes = Classes::read("classes.toml", text).unwrap();
    let users = &classes.tables["public.users"];
    assert_eq!(users["id"], Classified { class: Class::Key, domain: None, line: 4 });
    let number = Class::Number { noise_percent: 5.0, min: Some(18.0), max: None };
    assert_eq!(users["age"].class, number);
    assert_eq!(users["born"].class, Class::Date { days: 10, by: Some("id".into()) });
    assert_eq!(users["notes"].domain.as_deref(), Some("words"));
    assert_eq!(classes.headings["public.users"], 3);
    assert!(classes.without_rows.contains("public.signing_keys"));
    let payload = &classes.tables["billing.invoices"]["payload"];
    assert_eq!(payload.class, Class::Json { keep: vec!["kind".into()] });
}

#[test]
fn problems_are_named_with_their_lines() {
    check(
        "[users]\nemail = \"mail\"\nage = { class = \"number\", noise_percent = 0 }\nx = 3\n\
         y = { class = \"keep\", days = 3 }\nz = { days = 3 }\n",
        &expect![[r#"
            classes.toml:2: `users.email`: there is no class `mail`
              the classes are keep, key, e-mail, name, phone, free-text, pattern, secret, isin, ip, number, date, json, fixed, drop
            classes.toml:3: `noise_percent` of `users.age` does not fit the class `number`
              it takes `noise_percent` above 0 and below 100, `min` and `max`
            classes.toml:4: `users.x` is neither a class nor a table
              write a class in quotes, one of keep, key, e-mail, name, phone, free-text, pattern, secret, isin, ip, number, date, json, fixed, drop
            classes.toml:5: `days` of `users.y` does not fit the class `keep`
              it takes `public = "why it may hold personal values"`
            classes.toml:6: `users.z` says no class
              write { class = "number", … }"#]],
    );
    check("[users\n", &expect!["classes.toml:1: this is not TOML: unclosed table, expected `]`"]);
    check(
        "users = 3\n",
        &expect![[r#"
            classes.toml:1: `users` is not a table
              write a table of columns, [users], or users = "no-rows" above all tables"#]],
    );
}
