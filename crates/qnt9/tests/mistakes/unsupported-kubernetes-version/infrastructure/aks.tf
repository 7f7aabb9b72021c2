resource "azurerm_kubernetes_cluster" "main" {
  name               = "aks-qnt9"
  kubernetes_version = "1.29.4"
}
