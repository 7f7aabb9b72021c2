//! How shapes look on a terminal.
