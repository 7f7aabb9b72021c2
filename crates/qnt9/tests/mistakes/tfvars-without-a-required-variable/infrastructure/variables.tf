variable "node_count" {
  type = number
}
variable "location" {
  type    = string
  default = "germanywestcentral"
}
