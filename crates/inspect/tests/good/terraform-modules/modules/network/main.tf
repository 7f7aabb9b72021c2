variable "cidr" { type = string }
variable "tags" {
  type    = map(string)
  default = {}
}
resource "aws_subnet" "this" {
  count      = 2
  cidr_block = cidrsubnet(var.cidr, 8, count.index)
  tags       = merge(var.tags, { Name = "n${count.index}" })
  vpc_id     = "vpc-1"
}
output "subnet_ids" {
  value = aws_subnet.this[*].id
}
