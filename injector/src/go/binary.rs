//! A Go program's file, and all that is asked of it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::address::{Address, FileOffset};
use super::arch::Architecture;
use super::build::Build;
use super::build_version;
use super::buildinfo::BuildInfo;
use super::debug_file;
use super::dwarf::Dwarf;
use super::elf::ElfKind;
use super::elf::symbols::Symbol;
use super::error::GoError;
use super::identity::Identity;
use super::image::Image;
use super::interfaces::Itab;
use super::mapped;
use super::method_tables::Recorded;
use super::module_data::ModuleData;
use super::pclntab::functions::{Function, FunctionTable};
use super::pclntab::table::{Form, Table};
use super::runtime_facts::GoroutineLayout;
use super::sites::MorestackFunctions;
use super::types::Types;
use super::version::{GoVersion, OLDEST_MINOR};

/// Bytes at the start of a file that a packer leaves its mark in.
const PACKER_MARK: usize = 1024;

/// A Go program for Linux, opened for reading.
///
/// Opening maps the file and reads its headers, build information and the head of its function
/// table; everything else is read when it is first asked for, and kept.
#[derive(Debug)]
pub struct Binary {
    pub(super) image: Image,
    /// Where debug information and symbols are: the program itself or a separate file.
    pub(super) debug: Image,
    version: GoVersion,
    info: BuildInfo,
    identity: Identity,
    functions: FunctionTable,
    pub(super) dwarf: Option<Arc<Dwarf>>,
    types: Types,
    build: OnceLock<Build>,
    morestack: OnceLock<MorestackFunctions>,
    pub(super) itabs: OnceLock<Vec<Itab>>,
    pub(super) described: OnceLock<Vec<(Address, String)>>,
    pub(super) other_types: OnceLock<Vec<(Address, String)>>,
    pub(super) methods: OnceLock<HashMap<Address, Recorded>>,
    pub(super) goroutine: OnceLock<GoroutineLayout>,
}

impl Binary {
    /// Opens a program. Debug information is looked for in the program, then where
    /// [`open_with_debug`](Self::open_with_debug) looks.
    pub fn open(path: &Path) -> Result<Binary, GoError> {
        Binary::open_with_debug(path, None)
    }

    /// Opens a program together with a separate file of debug information, or a folder to find it in
    /// by build id or debug link. Without one given, and if the program has none itself, it is looked
    /// for under `/usr/lib/debug` and beside the program.
    pub fn open_with_debug(path: &Path, debug: Option<&Path>) -> Result<Binary, GoError> {
        let file = mapped::open(path)?;
        let metadata = file.metadata().map_err(|e| GoError::io(path, e))?;
        let image = Image::from_file(path, &file)?;
        let identity = Identity::new(&image, &metadata);
        let debug = match debug {
            Some(folder) if folder.is_dir() => Some(debug_file::find_in(&image, folder)?),
            Some(debug) => Some(debug_file::open(&image, debug)?),
            None if Dwarf::open(&image).is_none() => debug_file::find(&image),
            None => None,
        };
        Binary::new(image, identity, debug)
    }

    /// The same program, found at another path: `/proc/PID/exe` says nothing to people.
    #[must_use]
    pub fn called(mut self, path: &Path) -> Binary {
        self.image.call(path);
        self
    }

    /// Reads a program from bytes in memory; the identity is that of no file.
    pub fn from_bytes(path: &Path, bytes: impl Into<Arc<Vec<u8>>>) -> Result<Binary, GoError> {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        let image = Image::from_bytes(path, bytes)?;
        let identity = Identity::of_bytes(&image, size);
        Binary::new(image, identity, None)
    }

    fn new(image: Image, identity: Identity, debug: Option<Image>) -> Result<Binary, GoError> {
        let path = image.path().to_owned();
        let info = BuildInfo::read(&image);
        if let Some(info) = &info {
            check_buildmode(&path, info)?;
        }
        check_kind(&image)?;
        check_linking(&image)?;
        let table = Table::find(&image);
        let (info, table) = match (info, table) {
            (Some(info), Ok(table)) => (info, table),
            (None, Err(_)) => {
                let stripped_for_debug = image.elf().section(".text").is_some_and(|s| s.no_bits);
                return Err(if stripped_for_debug {
                    GoError::NotExecutable {
                        path,
                        what: "a separate debug file",
                    }
                } else {
                    GoError::NotGo { path }
                });
            }
            (Some(_), Err(why)) => return Err(GoError::NoFunctionTable { path, why }),
            // The build information may have been removed by a packer or an odd linker.
            (None, Ok(table)) => {
                let found = build_version::find(&image, table.form);
                let version = found.unwrap_or_else(|| guess(table.form).to_owned());
                (
                    BuildInfo {
                        version,
                        module_text: String::new(),
                    },
                    table,
                )
            }
        };
        let unsupported = || GoError::UnsupportedVersion {
            path: path.clone(),
            version: info.version.clone(),
        };
        let version = GoVersion::parse(&info.version).ok_or_else(unsupported)?;
        if !version.at_least(OLDEST_MINOR) {
            return Err(unsupported());
        }
        let module = ModuleData::find(&image, &table, &version);
        let table = table
            .with_text_start(
                || module.as_ref().map(|m| m.text),
                || image.symbol("runtime.text").map(|s| s.address),
            )
            .ok_or_else(|| GoError::NoFunctionTable {
                path: path.clone(),
                why: "the start of its code is not recorded anywhere".to_owned(),
            })?;
        let debug = debug.unwrap_or_else(|| image.clone());
        let dwarf = Dwarf::open(&debug);
        let types = dwarf.as_ref().map_or_else(Types::default, Dwarf::types);
        let functions = FunctionTable::new(image.clone(), debug.clone(), table, version.clone(), module);
        Ok(Binary {
            image,
            debug,
            version,
            info,
            identity,
            functions,
            dwarf,
            types,
            build: OnceLock::new(),
            morestack: OnceLock::new(),
            itabs: OnceLock::new(),
            described: OnceLock::new(),
            other_types: OnceLock::new(),
            methods: OnceLock::new(),
            goroutine: OnceLock::new(),
        })
    }

    /// Whether the file was changed since it was opened: what was read of it is worth nothing then. One that was
    /// replaced by another file is still there to be read.
    pub fn has_changed(&self) -> bool {
        let now = std::fs::metadata(self.path());
        self.image.was_cut() || self.debug.was_cut() || now.is_ok_and(|now| !self.identity.is_of(&now))
    }

    /// The file, as it was given.
    pub fn path(&self) -> &Path {
        self.image.path()
    }

    /// The file that debug information and symbols come from, if it is another one.
    pub fn debug_path(&self) -> Option<PathBuf> {
        (self.debug.path() != self.image.path()).then(|| self.debug.path().to_owned())
    }

    /// The architecture that it was built for.
    pub fn architecture(&self) -> Architecture {
        self.image.elf().architecture
    }

    /// The Go that built it.
    pub fn version(&self) -> &GoVersion {
        &self.version
    }

    /// How it was built.
    pub fn build(&self) -> &Build {
        self.build.get_or_init(|| {
            let symbols = self.debug.symbols().is_some();
            Build::new(
                &self.image,
                &self.info,
                &self.functions,
                self.dwarf.is_some(),
                symbols,
            )
        })
    }

    /// What tells this build from others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its functions.
    pub fn functions(&self) -> &FunctionTable {
        &self.functions
    }

    /// The types read so far; signatures and variables refer into it, and it grows with each.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// The machine code of a function, padding included.
    pub fn code(&self, function: &Function) -> Result<&[u8], GoError> {
        usize::try_from(function.size())
            .ok()
            .and_then(|size| self.image.read(function.entry, size))
            .ok_or_else(|| GoError::NoSuchAddress {
                path: self.path().to_owned(),
                address: function.entry.0,
            })
    }

    /// Where in the file the contents of a link-time address are; `None` outside of the file.
    pub fn file_offset(&self, address: Address) -> Option<FileOffset> {
        self.image.file_offset(address)
    }

    /// Initialised bytes at a link-time address; `None` for zeroed memory (`.bss`) and outside.
    pub fn read(&self, address: Address, length: usize) -> Option<&[u8]> {
        self.image.read(address, length)
    }

    /// The pointer at a link-time address as it will be in the running program, load bias 0.
    pub fn read_pointer(&self, address: Address) -> Option<Address> {
        self.image.pointer(address)
    }

    /// A symbol by its exact name; `None` if it is not there or symbols were stripped.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.debug.symbol(name)
    }

    /// Where execution begins.
    pub fn entry(&self) -> Address {
        self.image.elf().entry
    }

    /// Whether the system chooses where it is loaded.
    pub fn is_pie(&self) -> bool {
        self.image.elf().kind == ElfKind::Shared
    }

    /// The link-time address of the first loaded byte. In a running position-independent program, the address of its
    /// lowest mapping minus this, rounded down to a page of the host, is the load bias that is to be added to every
    /// link-time address; in others the bias is 0.
    pub fn base(&self) -> Address {
        let lowest = self.image.elf().segments.iter().map(|s| s.address).min();
        Address(lowest.unwrap_or_default())
    }

    /// The parts of memory that the program's package variables are in, at link-time addresses.
    pub fn writable_segments(&self) -> impl Iterator<Item = Range<Address>> + '_ {
        let segments = self.image.elf().segments.iter().filter(|s| s.writable);
        segments.map(|s| Address(s.address)..Address(s.address).plus(s.memory_size))
    }

    /// What the linker recorded of the program as a whole.
    pub fn module(&self) -> Option<&ModuleData> {
        self.functions.module()
    }

    pub(super) fn morestack_functions(&self) -> &MorestackFunctions {
        self.morestack.get_or_init(|| {
            let mut found = MorestackFunctions::default();
            for (index, name) in self.functions.names() {
                let callee = MorestackFunctions::NAMES.iter().find(|(n, _)| name == *n);
                if let (Some((_, callee)), Some(record)) = (callee, self.functions.table().record(index)) {
                    found.entries.push((record.entry, *callee));
                }
            }
            found
        })
    }
}

fn check_kind(image: &Image) -> Result<(), GoError> {
    let elf = image.elf();
    let what = match elf.kind {
        ElfKind::Executable => return Ok(()),
        ElfKind::Shared if elf.has_interpreter || elf.says_pie => return Ok(()),
        ElfKind::Shared => "a shared library",
        ElfKind::Object => "an object file",
        ElfKind::Core => "a core dump",
        ElfKind::Other(_) => "an ELF file of another kind",
    };
    Err(GoError::NotExecutable {
        path: image.path().to_owned(),
        what,
    })
}

/// Programs that are Go, but not as one file from the Go linker.
fn check_linking(image: &Image) -> Result<(), GoError> {
    let libraries = image.section(".dynstr").unwrap_or_default();
    let needs = |name: &[u8]| {
        libraries
            .split(|byte| *byte == 0)
            .any(|library| library.starts_with(name))
    };
    let head = &image.data()[..image.data().len().min(PACKER_MARK)];
    let what = if needs(b"libstd.so") {
        "linked with -linkshared: Go's runtime is in a shared library; build it without that"
    } else if needs(b"libgo.so") {
        "built by gccgo, whose code has another calling convention and runtime; build it with the go command's own compiler"
    } else if head.windows(4).any(|mark| mark == b"UPX!") {
        "packed: its code is not in the file; unpack it with `upx -d`"
    } else {
        return Ok(());
    };
    Err(GoError::Unsupported {
        path: image.path().to_owned(),
        what,
    })
}

fn check_buildmode(path: &Path, info: &BuildInfo) -> Result<(), GoError> {
    let mode = info
        .settings()
        .find(|(key, _)| key == "-buildmode")
        .map(|(_, value)| value);
    let what = match mode.as_deref() {
        Some("plugin") => "a Go plugin",
        Some("c-shared") => "a shared library",
        Some("shared") => "a Go shared library",
        _ => return Ok(()),
    };
    Err(GoError::Loaded {
        path: path.to_owned(),
        what,
    })
}

/// The newest version that writes a function table of this form.
fn guess(form: Form) -> &'static str {
    match form {
        Form::Go12 => "go1.15",
        Form::Go116 => "go1.17",
        Form::Go118 => "go1.19",
        Form::Go120 => "go1.27",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_may_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Binary>();
        shared::<Types>();
    }
}
