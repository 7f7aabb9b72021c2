environment          = "staging"
database_name        = "qnt9_srs_staging"
database_connections = 4
search_results       = 10
slow_request_ms      = 500
