output "database_name" {
  description = "For `qnt9 local database create NAME`, which prints the address."
  value       = terraform_data.database.output.name
}

output "service_env" {
  description = "Settings of the services, one KEY=VALUE a line, for `qnt9 deploy --env-file`."
  value       = <<-EOT
    STOCK_DATABASE_CONNECTIONS=${terraform_data.service.output.database_connections}
    AUTH_DATABASE_CONNECTIONS=${terraform_data.service.output.database_connections}
    STOCK_SEARCH_RESULTS=${terraform_data.service.output.search_results}
    AUTH_SLOW_REQUEST_MS=${terraform_data.monitoring.output.slow_request_ms}
    STOCK_SLOW_REQUEST_MS=${terraform_data.monitoring.output.slow_request_ms}
  EOT
}
