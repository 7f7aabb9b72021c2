terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
  backend "s3" {
    bucket = "acme-state"
    key    = "prod.tfstate"
    region = "eu-central-1"
  }
}
provider "aws" {
  region = var.region
}
provider "aws" {
  alias  = "us"
  region = "us-east-1"
}
data "aws_caller_identity" "current" {}
data "aws_iam_policy_document" "assume" {
  dynamic "statement" {
    for_each = var.roles
    iterator = aws_role
    content {
      actions = [aws_role.value.action]
      principals {
        type        = "AWS"
        identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
      }
    }
  }
}
module "network" {
  source     = "../../modules/network"
  cidr       = "10.0.0.0/16"
  for_each   = toset(["a", "b"])
  providers  = { aws = aws.us }
  depends_on = [aws_s3_bucket.logs]
}
module "vpc" {
  source  = "terraform-aws-modules/vpc/aws"
  version = "6.0.1"
  name    = "x"
}
resource "aws_s3_bucket" "logs" {
  bucket = "acme-logs-${local.suffix}"
  lifecycle {
    ignore_changes = [tags]
  }
}
resource "aws_s3_bucket_versioning" "logs" {
  provider = aws.us
  bucket   = aws_s3_bucket.logs.id
  versioning_configuration {
    status = "Enabled"
  }
}
moved {
  from = aws_s3_bucket.old
  to   = aws_s3_bucket.logs
}
removed {
  from = module.legacy
  lifecycle {
    destroy = false
  }
}
import {
  to = aws_s3_bucket.logs
  id = "acme-logs"
}
locals {
  suffix  = lower(var.region)
  subnets = { for k, m in module.network : k => m.subnet_ids }
  first   = module.network["a"].subnet_ids[0]
  all     = flatten(values(module.network)[*].subnet_ids)
  vpc     = module.vpc.vpc_id
}
output "subnets" {
  value = [local.subnets, local.first, local.all, local.vpc, var.limits, var.on, var.extra]
}
check "alive" {
  data "http" "site" {
    url = "https://example.com"
  }
  assert {
    condition     = data.http.site.status_code == 200
    error_message = "down"
  }
}
