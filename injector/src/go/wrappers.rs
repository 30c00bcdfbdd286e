//! What the compiler makes around methods: `(*T).M`, which interfaces call where `M` has a value receiver, and `T.M-fm`,
//! which method values call. They call the method, or have its body in them.

use super::address::Address;
use super::arch::{Flow, Instruction};
use super::binary::Binary;
use super::pclntab::functions::Function;
use super::resolve::wrapper_name;

/// Instructions of a body that may leave none where it is inlined.
const FOLDED: usize = 12;

impl Binary {
    /// The wrapper with a pointer receiver of a method with a value receiver, if it has the method's body in it: calls
    /// through an interface then never come to the method.
    pub fn wrapper_with_body(&self, method: &Function) -> Option<Function> {
        let wrapper = self.functions().wrapper(&wrapper_name(&method.name)?)?;
        (!self.jumps_to(&wrapper, method.entry)).then_some(wrapper)
    }

    /// The wrapper of a method with a value receiver that the program has in no other form.
    pub fn wrapper_alone(&self, method: &str) -> Option<Function> {
        self.functions().wrapper(&wrapper_name(method)?)
    }

    /// Whether a function is a wrapper that calls the method it is made for: each call through it is one of the method.
    pub fn calls_method(&self, wrapper: &Function, method: &Function) -> bool {
        wrapper.is_wrapper
            && wrapper_name(&method.name).is_some_and(|name| name == wrapper.name)
            && self.jumps_to(wrapper, method.entry)
    }

    /// Whether a function's method values have its body in them, so that calling one does not come to the function.
    pub fn method_value_with_body(&self, method: &Function) -> Option<Function> {
        let value = self.functions().wrapper(&format!("{}-fm", method.name))?;
        (!self.jumps_to(&value, method.entry)).then_some(value)
    }

    /// Whether calls of a function may have been replaced by its body without a trace: it was inlined somewhere, and
    /// there is so little in it that nothing need be left.
    pub fn may_be_folded(&self, function: &Function) -> bool {
        let inlined = |dwarf: &super::dwarf::Dwarf| dwarf.is_inlined(function.entry).unwrap_or_default();
        self.dwarf.as_ref().is_some_and(|dwarf| inlined(dwarf)) && self.only_moves(function)
    }

    /// Whether a function does nothing but work on registers for a moment.
    fn only_moves(&self, function: &Function) -> bool {
        self.code(function).is_ok_and(|code| {
            self.architecture()
                .returns_from_registers(code, function.entry, FOLDED)
        })
    }

    /// Whether a function was made by the compiler and does nothing but call a method of an interface: that of an embedded one. A
    /// function that has another's body in it, or calls one, is not.
    pub fn only_calls_an_interface(&self, function: &Function) -> bool {
        if !self.functions().is_made_up(&self.image, function) {
            return false;
        }
        let Ok(code) = self.code(function) else {
            return false;
        };
        let Ok(instructions) = self.architecture().decode(code, function.entry) else {
            return false;
        };
        // The stack grows, and the race detector is told, in functions of the runtime.
        let is_runtime = |target: Address| {
            let callee = self.functions().at(target);
            callee.is_some_and(|callee| callee.package() == "runtime")
        };
        let is_own = |target: Address| (function.entry..function.end).contains(&target);
        let mut targets = instructions.iter().filter_map(|instruction| instruction.target);
        let leaves_for_one_unknown = |instruction: &&Instruction| {
            instruction.target.is_none() && matches!(instruction.flow, Flow::Call | Flow::IndirectJump)
        };
        targets.all(|target| is_own(target) || is_runtime(target))
            && instructions.iter().filter(leaves_for_one_unknown).count() == 1
    }

    /// The functions that instructions in a range call.
    pub fn called_within(&self, range: &std::ops::Range<Address>) -> Vec<Function> {
        let size = usize::try_from(range.end.0.saturating_sub(range.start.0)).unwrap_or_default();
        let code = self.read(range.start, size).unwrap_or_default();
        let instructions = self.architecture().decode(code, range.start).unwrap_or_default();
        instructions
            .iter()
            .filter(|instruction| instruction.flow == Flow::Call)
            .filter_map(|call| self.functions().at(call.target?))
            .collect()
    }

    /// Whether a function calls an address or jumps there.
    fn jumps_to(&self, function: &Function, target: Address) -> bool {
        let Ok(code) = self.code(function) else {
            return false;
        };
        let instructions = self
            .architecture()
            .decode(code, function.entry)
            .unwrap_or_default();
        instructions
            .iter()
            .any(|instruction| instruction.target == Some(target))
    }
}
