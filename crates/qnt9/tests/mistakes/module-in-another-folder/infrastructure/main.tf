module "database" {
  source = "./modules/databse"
  size   = "small"
}

output "address" {
  value = module.database.address
}
