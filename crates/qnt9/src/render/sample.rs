//! Made-up shapes to render.
