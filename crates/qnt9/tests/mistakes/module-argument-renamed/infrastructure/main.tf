module "database" {
  source = "./modules/database"
  size   = "small"
  sizes  = "small"
}

output "address" {
  value = module.database.address
}
