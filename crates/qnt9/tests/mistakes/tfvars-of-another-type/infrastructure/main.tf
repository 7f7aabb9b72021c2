variable "zones" {
  type = list(string)
}

variable "region" {
  type = string
}

output "zones" {
  value = "${var.region}: ${join(", ", var.zones)}"
}
