resource "azurerm_resource_group" "main" {
  name     = "rg"
  location = "westeurope"
  tags = {
    Project = "qnt9
  }
}
