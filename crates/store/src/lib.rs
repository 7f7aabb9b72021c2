//! The log of facts and the blobs, durable before acknowledged: memory or SQLite.
