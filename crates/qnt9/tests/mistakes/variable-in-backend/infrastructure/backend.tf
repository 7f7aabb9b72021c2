variable "state_account" {
  type = string
}

terraform {
  backend "azurerm" {
    storage_account_name = var.state_account
  }
}
