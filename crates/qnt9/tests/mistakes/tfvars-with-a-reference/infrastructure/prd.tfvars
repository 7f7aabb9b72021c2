region = var.default_region
zones  = ["1", "2"]
