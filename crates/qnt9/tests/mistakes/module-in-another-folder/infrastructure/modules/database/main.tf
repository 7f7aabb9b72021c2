variable "size" {
  type = string
}

output "address" {
  value = "db-${var.size}.internal"
}
