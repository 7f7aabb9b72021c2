# No variable has a default: an environment says everything about itself in its own tfvars file.

variable "environment" {
  description = "Name of the environment, as in qnt9.toml."
  type        = string

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "environment must be development, staging or production."
  }
}

variable "database_name" {
  description = "Database of this environment on the platform's PostgreSQL."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_name))
    error_message = "database_name must be lower-case letters, digits and _, starting with a letter, at most 63 long."
  }
}

variable "database_connections" {
  description = "Database connections that each replica of a service keeps open."
  type        = number

  validation {
    condition     = var.database_connections >= 1 && var.database_connections <= 16
    error_message = "database_connections must be from 1 to 16."
  }
}

variable "search_results" {
  description = "How many companies a search returns when the caller names no limit."
  type        = number

  validation {
    condition     = var.search_results >= 1 && var.search_results <= 50
    error_message = "search_results must be from 1 to 50."
  }
}

variable "slow_request_ms" {
  description = "Requests slower than this are written to a service's log, in milliseconds."
  type        = number

  validation {
    condition     = var.slow_request_ms >= 1
    error_message = "slow_request_ms must be at least 1."
  }
}
