module "database" {
  source = "./modules/database"
  size   = "small"
}

output "address" {
  value = module.database.adress
}
