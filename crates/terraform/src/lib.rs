//! Terraform's language: state with locking over the http backend, and plans made readable.
