//! Call stacks of events, told from return addresses.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use goinject_probes::table::Event;

use super::line::Frame;
use crate::go::Binary;
use crate::go::address::Address;
use crate::plan::Site;
use crate::plan::encode::LoadBias;

/// The code below all goroutines, which Go's own traces leave out.
const BOTTOM: &str = "runtime.goexit";

/// Addresses that are remembered at the most: a hostile program may show others in each event.
const KNOWN: usize = 1 << 16;

/// What turns the addresses of one program into functions, files and lines.
#[derive(Debug, Default)]
pub struct Stacks {
    /// By link-time address: programs call from few places.
    known: RefCell<HashMap<Address, Rc<[Frame]>>>,
}

impl Stacks {
    /// The stack of an event's call at a site in a process that runs the binary, the function itself first.
    pub fn of(&self, binary: &Binary, bias: LoadBias, site: &Site, event: &Event) -> Vec<Frame> {
        let mut stack = self.frames(binary, site.instruction.address).to_vec();
        // What is inlined at the probe is part of the function.
        let own = stack.len().saturating_sub(1);
        stack.drain(..own);
        for address in event.return_addresses() {
            // It may be just behind its function: the call before it is not.
            let call = Address(address.wrapping_sub(1).wrapping_sub(bias.0));
            stack.extend_from_slice(&self.frames(binary, call));
        }
        stack.retain(|frame| frame.function != BOTTOM);
        stack
    }

    fn frames(&self, binary: &Binary, address: Address) -> Rc<[Frame]> {
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        let frames = known.entry(address).or_insert_with(|| {
            let frames = binary.frames(address).into_iter();
            frames
                .map(|frame| Frame {
                    function: frame.function,
                    file: frame.file,
                    line: frame.line,
                    inlined: frame.inlined,
                })
                .collect()
        });
        Rc::clone(frames)
    }
}
