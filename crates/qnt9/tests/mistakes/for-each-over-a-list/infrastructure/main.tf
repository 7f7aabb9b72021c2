resource "azurerm_resource_group" "main" {
  for_each = ["dev", "stg"]
  name     = "stock-${each.key}"
  location = "westeurope"
}
