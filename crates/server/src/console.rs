//! Serves the console's pages.

use axum::Router;

use crate::Core;

/// The console's routes.
pub fn router(core: Core) -> Router {
    drop(core);
    Router::new()
}
