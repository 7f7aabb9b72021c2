region = "eu-central-1"
limits = {
  cpu = 2
}
on    = "true"
roles = { a = { action = "sts:AssumeRole" } }
extra = -1
