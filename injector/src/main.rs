//! The `goinject` program.

fn main() {}
