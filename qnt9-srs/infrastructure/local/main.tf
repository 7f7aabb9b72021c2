# One environment on one machine. The cloud's resources have no counterpart here except the database; the
# other two hold the settings that the service is started with, so that a plan shows them change.

terraform {
  required_version = ">= 1.4"

  # The address, the lock and the credentials come from TF_HTTP_* (`qnt9 state env WORKSPACE`).
  backend "http" {}
}

# A database that lives as long as the environment. A new name is a new database: the old one is dropped.
resource "terraform_data" "database" {
  input            = { name = var.database_name }
  triggers_replace = [var.database_name]

  provisioner "local-exec" {
    # Prints the address, which holds a password: it stays out of the log and of the state.
    command = "qnt9 local database create ${self.input.name} > /dev/null"
  }

  provisioner "local-exec" {
    when    = destroy
    command = "qnt9 local database drop ${self.input.name}"
  }
}

resource "terraform_data" "service" {
  input = {
    environment          = var.environment
    database             = terraform_data.database.output.name
    database_connections = var.database_connections
    search_results       = var.search_results
  }
}

resource "terraform_data" "monitoring" {
  input = {
    environment     = var.environment
    slow_request_ms = var.slow_request_ms
  }
}
