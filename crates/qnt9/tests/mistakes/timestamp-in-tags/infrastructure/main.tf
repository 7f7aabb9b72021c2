terraform {
  backend "azurerm" {}
}

locals {
  tags = {
    Project      = "qnt9-srs"
    LastModified = timestamp()
  }
}

resource "azurerm_resource_group" "main" {
  name     = "rg-qnt9"
  location = "germanywestcentral"
  tags     = local.tags
}
