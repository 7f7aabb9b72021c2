environment          = "development"
database_name        = "qnt9_srs_dev"
database_connections = 2
search_results       = 10
slow_request_ms      = 200
