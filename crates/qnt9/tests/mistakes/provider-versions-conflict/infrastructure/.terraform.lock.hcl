provider "registry.terraform.io/hashicorp/azurerm" {
  version = "4.14.0"
}
