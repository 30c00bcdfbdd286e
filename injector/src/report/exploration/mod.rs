//! Reports of an exploration: each is made of what `explore.json` has, and knows nothing else.

pub mod case;
pub mod classes;
mod github;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod outputs;
pub mod sarif;
pub mod terminal;
#[cfg(test)]
mod tests;

pub use self::case::Report;
