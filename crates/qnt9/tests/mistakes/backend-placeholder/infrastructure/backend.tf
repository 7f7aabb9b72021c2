terraform {
  backend "azurerm" {
    resource_group_name  = "rg-tfstate"
    storage_account_name = "<your-storage-account>"
    container_name       = "tfstate"
    key                  = "qnt9.tfstate"
  }
}
