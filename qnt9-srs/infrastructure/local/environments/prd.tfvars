environment          = "production"
database_name        = "qnt9_srs_prd"
database_connections = 4
search_results       = 10
slow_request_ms      = 500
