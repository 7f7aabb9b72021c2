variable "monitoring" {
  type = bool
}

resource "azurerm_public_ip" "icinga" {
  count               = var.monitoring ? 1 : 0
  name                = "pip-icinga"
  resource_group_name = "rg"
  location            = "westeurope"
  allocation_method   = "Static"
}

output "icinga_ip" {
  value = azurerm_public_ip.icinga[0].ip_address
}
