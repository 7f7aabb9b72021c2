//! GitHub Actions workflow files and expressions in, a plan or exact diagnostics out.
