use expect_test::{Expect, expect};

use super::*;

const MODULE: &str = r#"
# variable "commented" {}
variable "size" {
  type    = string
  default = <<-EOT
    variable "inside_a_string" {}
  EOT
}
variable replicas {}
resource "terraform_data" "size_of_it" { input = var.size }
"#;

fn check(tfvars: &str, expected: &Expect) {
    let found = undeclared(&[("staging.tfvars", tfvars)], &[("main.tf", MODULE)]).unwrap();
    expected.assert_eq(&found.iter().map(|one| format!("{one}\n")).collect::<String>());
}

#[test]
fn values_of_declared_variables_are_well() {
    check("size = \"b\"\nreplicas = 3\n", &expect![""]);
    check("", &expect![""]);
}

#[test]
fn a_value_for_nothing_is_named_with_its_place() {
    check(
        "size = \"b\"\n\n  # é\n  replica = 3\ninside_a_string = { commented = 1 }\ncommented = 2\n",
        &expect![[r#"
            staging.tfvars:4:3: there is no variable `replica`; did you mean `replicas`?
            staging.tfvars:5:1: there is no variable `inside_a_string`
            staging.tfvars:6:1: there is no variable `commented`
        "#]],
    );
}

#[test]
fn what_is_not_hcl_is_named() {
    let error = undeclared(&[("bad.tfvars", "size = = 3")], &[("main.tf", MODULE)]).unwrap_err();
    assert_eq!(error.to_string(), "bad.tfvars cannot be read as HCL");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("--> HCL parse error"));
}
