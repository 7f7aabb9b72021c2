//! What people's and jobs' programs call over HTTP.

use axum::Router;

use crate::Core;

/// The routes under `/api/v1` and `/healthz`.
pub fn router(core: Core) -> Router {
    drop(core);
    Router::new()
}
