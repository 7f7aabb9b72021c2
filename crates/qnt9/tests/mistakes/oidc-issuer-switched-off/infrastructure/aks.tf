resource "azurerm_kubernetes_cluster" "main" {
  name                = "aks"
  oidc_issuer_enabled = false
}
