//! End-to-end tests of goinject: real Go programs, every engine.
