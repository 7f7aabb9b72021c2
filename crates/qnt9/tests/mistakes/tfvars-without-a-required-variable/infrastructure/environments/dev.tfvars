node_count = 1
