//! Reports: each is a sink of what happens in a run, and knows nothing else.

pub mod call_sites;
pub mod comparison;
pub mod exploration;
mod generations;
pub mod github;
pub mod html;
mod human;
pub mod junit;
mod live;
pub mod markdown;
pub mod metrics;
pub mod outputs;
pub mod place;
pub mod record;
pub mod repeat;
mod several;
pub mod stream;
mod timeline;

pub use self::generations::Generations;
pub use self::human::Terminal;
pub use self::live::Live;
pub use self::several::Several;
