//! How a program was built.

use super::buildinfo::BuildInfo;
use super::elf::ElfKind;
use super::image::Image;
use super::pclntab::functions::FunctionTable;

/// How a program was built, as far as its file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Position-independent: the system chooses where it is loaded.
    pub pie: bool,
    /// Linked with C code.
    pub cgo: bool,
    /// Linked by the system's linker instead of Go's.
    pub external_linking: bool,
    /// Built with the race detector.
    pub race: bool,
    /// Has types and parameters (DWARF).
    pub has_dwarf: bool,
    /// Has a symbol table.
    pub has_symbols: bool,
    /// Embedded in a C program (`-buildmode=c-archive`).
    pub c_archive: bool,
    /// Import path of the main package, outside of modules absent.
    pub main_package: Option<String>,
    /// Path of the main module, outside of modules absent.
    pub main_module: Option<String>,
    /// Settings that the go command recorded, such as `-race` = `true`; none before Go 1.18.
    pub settings: Vec<(String, String)>,
}

impl Build {
    /// The value of a setting that the go command recorded.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    pub(super) fn new(
        image: &Image,
        info: &BuildInfo,
        functions: &FunctionTable,
        has_dwarf: bool,
        has_symbols: bool,
    ) -> Build {
        let mut build = Build {
            pie: image.elf().kind == ElfKind::Shared,
            cgo: false,
            // Only the system's linker leaves its own sections.
            external_linking: [".comment", ".init_array", ".eh_frame"]
                .iter()
                .any(|name| image.elf().section(name).is_some()),
            race: false,
            has_dwarf,
            has_symbols,
            c_archive: false,
            main_package: info.main_package().map(str::to_owned),
            main_module: info.main_module().map(str::to_owned),
            settings: info.settings().collect(),
        };
        build.c_archive = build.setting("-buildmode") == Some("c-archive");
        // Older programs recorded no settings: the packages that are linked in tell.
        for (_, name) in functions.names() {
            build.cgo |=
                name.starts_with("runtime/cgo.") || name.starts_with("x_cgo_") || name.contains("_Cfunc_");
            build.race |= name == "runtime.racefuncenter" || name == "runtime.racefuncenter.abi0";
            if build.cgo && build.race {
                break;
            }
        }
        build.race |= build.setting("-race") == Some("true");
        build
    }
}
