resource "azurerm_resource_group" "main" {
  name     = "stock"
  location = "westeurope"
}

resource "azurerm_virtual_network" "main" {
  name                = "stock"
  address_space       = ["10.0.0.0/16"]
  location            = "westeurope"
  resource_group_name = azurerm_resource_group.rg.name
}
