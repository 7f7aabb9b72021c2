use expect_test::{Expect, expect};

use super::*;
use crate::catalog::Reference;

fn column(name: &str, sql_type: &str, kind: Kind) -> Column {
    Column { name: name.into(), not_null: true, generated: false, sql_type: sql_type.into(), kind }
}

fn table(name: &str, columns: Vec<Column>) -> Table {
    Table {
        schema: "public".into(),
        name: name.into(),
        columns,
        unique: vec![vec![0]],
        primary: vec![0],
        references: Vec::new(),
    }
}

const WHOLE: Kind = Kind::Whole { bits: 31 };
const TEXT: Kind = Kind::Text { chars_max: usize::MAX };

/// Users with orders of theirs.
fn catalog() -> Catalog {
    let mut users = table(
        "users",
        vec![
            column("id", "integer", WHOLE),
            column("email", "character varying(20)", Kind::Text { chars_max: 20 }),
            column("nick", "text", TEXT),
        ],
    );
    users.unique.push(vec![1]);
    users.unique.push(vec![2]);
    let mut orders =
        table("orders", vec![column("id", "integer", WHOLE), column("user_id", "integer", WHOLE)]);
    let name = "orders_user_id_fkey".to_owned();
    orders.references.push(Reference { name, columns: vec![1], table: 0, referenced: vec![0] });
    Catalog { tables: vec![users, orders] }
}

fn agreed(text: &str) -> Result<Agreement, Problems> {
    let classes = Classes::read("classes.toml", text).unwrap();
    let largest = whole_keys(&catalog(), &classes).into_iter().map(|spot| (spot, 1000)).collect();
    agree(&catalog(), &classes, &MaskingKey::new([1; 32]), &largest)
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&agreed(text).unwrap_err().to_string());
}

#[test]
fn a_column_without_a_class_stops_everything_and_the_line_to_add_is_named() {
    check(
        "[users]\nid = \"key\"\nemail = \"pattern\"\n",
        &expect![[r#"
            classes.toml:1: users.nick (text) is not classified
              add to [users]: nick = "pattern"   (a guess by its name and type; the classes are keep, key, e-mail, name, phone, free-text, pattern, secret, isin, ip, number, date, json, fixed, drop)
            classes.toml: orders.id (integer) is not classified
              add the table [orders]: id = "key"   (a guess by its name and type; the classes are keep, key, e-mail, name, phone, free-text, pattern, secret, isin, ip, number, date, json, fixed, drop)
            classes.toml: orders.user_id (integer) is not classified
              add the table [orders]: user_id = "key"   (a guess by its name and type; the classes are keep, key, e-mail, name, phone, free-text, pattern, secret, isin, ip, number, date, json, fixed, drop)"#]],
    );
}

#[test]
fn what_does_not_fit_is_named() {
    check(
        "[users]\nid = \"phone\"\nemail = \"e-mail\"\nnick = \"free-text\"\n\
         [orders]\nid = \"keep\"\nuser_id = \"key\"\n",
        &expect![[r#"
            classes.toml:2: users.id cannot be `phone`: the column is integer, and the class is for texts
            classes.toml:3: users.email cannot be `e-mail`: the narrowest column of its class and domain holds 20 characters, and 31 are needed
              give the narrow column a `domain` of its own, or use `pattern`
            classes.toml:7: orders.user_id cannot be `key`: orders_user_id_fkey references users.id, which is `phone` with its own options
              give both the same class, options and domain
            classes.toml:4: users.nick cannot be `free-text`: the column is unique, and replacements of that class may meet
              key, e-mail, name, phone, pattern, secret and isin keep values apart"#]],
    );
}

#[test]
fn linked_keys_are_replaced_alike() {
    let text = "[users]\nid = \"key\"\nemail = \"pattern\"\nnick = \"name\"\n\
                [orders]\nid = \"key\"\nuser_id = \"key\"\ngone = \"keep\"\n";
    let agreement = agreed(text).unwrap();
    let of = |table: usize, column: usize| {
        let replacement = &agreement.tables[table].columns[column].replacement;
        replacement.of("17", |_| None).unwrap().unwrap()
    };
    assert_eq!(of(0, 0), of(1, 1), "users.id and orders.user_id");
    assert_ne!(of(0, 0), of(1, 0), "orders.id is a key of its own");
    assert_eq!(agreement.stale, ["classes.toml:8: the database has no public.orders.gone"]);
}
