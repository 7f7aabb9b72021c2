module "database" {
  source = "./modules/database"
}

output "address" {
  value = module.database.address
}
