variable "region" { type = string }
variable "roles" {
  type    = map(object({ action = string }))
  default = {}
}
variable "limits" { type = object({ cpu = number, memory = optional(string) }) }
variable "on" { type = bool }
variable "extra" { default = null }
