resource "azurerm_subnet" "app" {
  count = 2
  name  = "snet-${count.index}"
}

resource "azurerm_kubernetes_cluster" "aks" {
  name = "aks"
  default_node_pool {
    name           = "default"
    vnet_subnet_id = azurerm_subnet.app.id
  }
}
