variable "vm_size" {
  type = string
}
