db_password = "Sup3rGeheim!2025"
