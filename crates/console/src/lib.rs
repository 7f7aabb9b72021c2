//! The dashboard: HTML and pictures from the engine's state, live by server-sent events.
