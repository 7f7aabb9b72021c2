provider "registry.terraform.io/hashicorp/aws" {
  version     = "6.2.0"
  constraints = "~> 6.0"
  hashes = ["h1:abc="]
}
provider "registry.terraform.io/hashicorp/http" {
  version = "3.5.0"
  hashes = ["h1:abc="]
}
