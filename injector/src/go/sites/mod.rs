//! Where a function can be probed.
//!
//! The entry site is where the arguments are still in place, the stack pointer is what the caller
//! left, and one execution is one call. That is not the entry address of most functions: after
//! `runtime.morestack` a function begins again there, so a probe would count some calls twice.

mod decode;
mod entry;
mod instruction;
mod morestack;
mod room;

use super::address::Address;
use super::binary::Binary;
use super::pclntab::functions::Function;

pub use self::instruction::{Execution, Leads, MemoryOperand, MemoryWrite, Registers, Site};
pub(super) use self::morestack::MorestackFunctions;
pub use self::morestack::{Morestack, MorestackCallee, Spill};
use self::room::Targets;
pub use self::room::{NoRoom, Room};

use self::decode::Code;

/// All places of a function that matter for probing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites {
    /// Where to probe calls.
    pub entry: EntrySite,
    /// Its `RET` instructions, in the order of addresses. The stack pointer there is what it was at
    /// entry. A function may have none: it never returns, or ends in tail calls only.
    pub returns: Vec<Site>,
    /// Jumps out of the function: a call that ends here returns from elsewhere.
    pub tail_calls: Vec<TailCall>,
    /// The code that grows the stack; absent in functions that do not check.
    pub morestack: Option<Morestack>,
}

/// The site that is passed exactly once in each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySite {
    /// The instruction.
    pub site: Site,
    /// What makes it the right one.
    pub kind: EntryKind,
}

/// What an entry site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// The save of the frame pointer directly after the stack check where there is one. Every hit is
    /// a call.
    AfterCheck,
    /// The last conditional jump of the stack check. It is passed again after the stack has grown,
    /// so a hit is a call only if the jump will not be taken.
    CheckJump {
        /// The jump is taken, to the code that grows the stack, if any of these bits is set in the
        /// flags register.
        morestack_flags: u64,
    },
    /// The first instruction, of a function without a stack check. Every hit is a call.
    Start,
}

/// A jump out of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailCall {
    /// The jump.
    pub site: Site,
    /// Where it goes; absent if that is only known when it runs.
    pub target: Option<Address>,
    /// The function there.
    pub callee: Option<String>,
    /// Whether the jump may also not be taken.
    pub conditional: bool,
}

/// Why a function cannot be probed at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// It is C code, or a mark of the linker.
    #[error("{function}: not a Go function")]
    Foreign {
        /// The function.
        function: String,
    },
    /// The code is not in the file.
    #[error("{function}: its code is not in the file")]
    NoCode {
        /// The function.
        function: String,
    },
    /// It is larger than a function can be, so the function table must be damaged.
    #[error("{function}: larger than any function")]
    TooLarge {
        /// The function.
        function: String,
    },
    /// There are bytes that are no instruction; probing could hit the middle of one.
    #[error(
        "{function}: bytes at {address} are no known instruction, so its instructions cannot be told apart safely"
    )]
    Undecodable {
        /// The function.
        function: String,
        /// Where.
        address: Address,
    },
    /// A jump, or a table of the linker, refers to the middle of a decoded instruction.
    #[error("{function}: {address} is referred to but is in the middle of an instruction")]
    Misaligned {
        /// The function.
        function: String,
        /// Where.
        address: Address,
    },
    /// It calls `runtime.morestack`, and the check before it is in no known form.
    #[error("{function}: its stack check is in no known form")]
    UnknownCheck {
        /// The function.
        function: String,
    },
    /// Its first instruction is jumped to from inside, so hits are not calls.
    #[error("{function}: it jumps back to its first instruction, where a probe would count more than calls")]
    EntryIsLoop {
        /// The function.
        function: String,
    },
}

/// Finds the sites of a function.
pub fn sites(binary: &Binary, function: &Function) -> Result<Sites, SiteError> {
    let name = || function.name.clone();
    if function.is_foreign {
        return Err(SiteError::Foreign { function: name() });
    }
    let bytes = binary
        .code(function)
        .map_err(|_| SiteError::NoCode { function: name() })?;
    let code = Code::decode(binary.architecture(), bytes, function)?;
    code.check_boundaries(binary.functions(), function)?;

    let check = morestack::find(&code, binary.morestack_functions())
        .map_err(|()| SiteError::UnknownCheck { function: name() })?;
    let (mut morestack, jump) = check.unzip();
    let entry = entry::find(&code, jump).map_err(|why| why.into_error(name()))?;
    let depth = |address| binary.functions().stack_depth(function, address);
    let targets = Targets::of(&code, function.is_assembly);
    let site = |index: usize| Site {
        room: room::room(&code, &targets, index),
        ..code.describe(index, depth(code.address(index)))
    };

    if let Some(morestack) = &mut morestack
        && let Some(call) = code.index_of(morestack.call)
    {
        morestack.call_site.room = room::room(&code, &targets, call);
    }
    let mut found = Sites {
        entry: EntrySite {
            site: site(entry.index),
            kind: entry.kind,
        },
        returns: Vec::new(),
        tail_calls: Vec::new(),
        morestack,
    };
    for index in 0..code.len() {
        if code.is_return(index) {
            found.returns.push(site(index));
        } else if let Some(jump) = code.leaves(index, function.is_assembly) {
            let callee = jump.target.and_then(|target| binary.functions().at(target));
            found.tail_calls.push(TailCall {
                site: site(index),
                target: jump.target,
                callee: callee.map(|f| f.name),
                conditional: jump.conditional,
            });
        }
    }
    Ok(found)
}
