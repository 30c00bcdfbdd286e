//! Go tests: patterns over their names, and whose goroutines are whose.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::TEST_NAME;

/// A state of an automaton over names, which takes a byte at a time. Row n is where pattern n begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct State {
    /// For each byte the row of the next state.
    pub next: [u16; 256],
    /// Not 0: a name that ends here matches.
    pub accepts: u32,
    #[doc(hidden)]
    pub padding: u32,
}

/// A goroutine, by its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MemberKey {
    /// Its id.
    pub goid: u64,
    /// The process.
    pub process: u64,
}

/// The Go test that a goroutine belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Member {
    /// The id of the test's own goroutine.
    pub test: u64,
    /// Bit n: the test's name matches pattern n.
    pub globs: u64,
}

/// A Go test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GoTest {
    /// Bytes of its name; 0: no test.
    pub length: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// Its name, or as much as there is room for.
    pub name: [u8; TEST_NAME],
}

impl GoTest {
    /// Its name; none if it is no test.
    pub fn name(&self) -> Option<String> {
        let bytes = self.name.get(..self.length as usize)?;
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Default for GoTest {
    fn default() -> Self {
        FromZeros::new_zeroed()
    }
}
