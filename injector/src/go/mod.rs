//! Facts of a Go binary: its functions, their types, where their values live and where to probe.
//!
//! Reads files only; knows neither rules nor processes. [`Binary::open`] is where it begins.

pub mod abi;
pub mod address;
pub mod arch;
mod arg_info;
mod binary;
mod build;
mod build_version;
mod buildinfo;
mod bytes;
mod callers;
mod closures;
mod debug_file;
mod described;
mod dwarf;
mod elf;
mod error;
mod frames;
mod identity;
mod image;
mod interfaces;
mod mapped;
mod method_tables;
mod module_data;
mod panic;
mod pclntab;
mod resolve;
mod runtime_facts;
mod runtime_types;
pub mod signature;
mod signatures;
pub mod sites;
mod sleep;
pub mod types;
mod variables;
mod version;
mod wrappers;

pub use self::binary::Binary;
pub use self::build::Build;
pub use self::described::type_name_fits;
pub use self::dwarf::locations::{EntryLocation, Place};
pub use self::elf::symbols::{Symbol, SymbolKind};
pub use self::error::GoError;
pub use self::identity::Identity;
pub use self::interfaces::Itab;
pub use self::module_data::{Itabs, ModuleData};
pub use self::panic::PanicFrame;
pub use self::pclntab::functions::{Function, FunctionTable};
pub use self::pclntab::inline_tree::InlinedCall;
pub(crate) use self::resolve::wrapper_name;
pub use self::runtime_facts::GoroutineLayout;
pub use self::signature::SignatureError;
pub use self::sleep::Sleep;
pub use self::variables::PackageVariable;
pub use self::version::{GoVersion, NEWEST_MINOR, OLDEST_MINOR};
