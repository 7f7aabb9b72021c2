//! The command line of qnt9.
fn main() {}
