//! What functions do with the results of those that they call, as their code tells.

use super::abi::{Convention, Layout, Placement, Register};
use super::address::Address;
use super::arch::{Instruction, Use};
use super::binary::Binary;
use super::pclntab::functions::Function;
use super::types::{Kind, TypeId};

/// Structs in structs are looked into so deep.
const DEPTH: u32 = 3;

impl Binary {
    /// Whether a function looks at the last result of another one where it calls that: at this line of this function, which
    /// may be inlined there, or else anywhere. None where no such call is found, or where results are not in registers.
    pub fn looks_at_last_result(
        &self,
        caller: &Function,
        callee: &Function,
        at: (&str, u32),
    ) -> Option<bool> {
        if callee.convention() != Convention::Register {
            return None;
        }
        let layout = self.layout_of(callee)?;
        let Placement::Registers(parts) = layout.results.last()? else {
            return None;
        };
        let code = self.code(caller).ok()?;
        let register = parts.first()?.register;
        let calls = self.architecture().reads_result(code, caller.entry, register);
        let is_there = |address: Address| {
            let frames = self.frames(address);
            frames
                .iter()
                .any(|frame| (frame.function.as_str(), frame.line) == at)
        };
        let (there, elsewhere): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|(call, _)| is_there(call.address));
        let is_read = |of: Use| match of {
            Use::Read => true,
            Use::None => false,
            Use::Passed(target) => target.is_none_or(|target| self.takes(target, register)),
        };
        let of = |calls: &[(Instruction, Use)], target: Option<Address>| -> Option<bool> {
            let mut found = calls.iter().filter(|(call, _)| call.target == target).peekable();
            found.peek()?;
            Some(found.all(|(_, of)| is_read(*of)))
        };
        of(&there, Some(callee.entry))
            .or_else(|| of(&elsewhere, Some(callee.entry)))
            // Through a function value or an interface.
            .or_else(|| of(&there, None))
    }

    fn layout_of(&self, function: &Function) -> Option<Layout> {
        let signature = self.signature(function).ok()??;
        Some(self.layout(function, &signature))
    }

    /// Whether the function at an address takes something in a register; so it may if it is not known.
    fn takes(&self, address: Address, register: Register) -> bool {
        let Some(layout) = self
            .functions()
            .at(address)
            .and_then(|function| self.layout_of(&function))
        else {
            return true;
        };
        let all = layout.receiver.iter().chain(&layout.dictionary);
        all.chain(&layout.parameters).any(|placement| match placement {
            Placement::Registers(parts) => parts.iter().any(|part| part.register == register),
            Placement::Stack { .. } => false,
        })
    }

    /// Whether a function, or a method that it calls of the same type, stores into an error field of a struct that it was
    /// given or returns a pointer to.
    pub fn stores_error_in_field(&self, function: &Function) -> bool {
        let fields = self.error_fields(function);
        if fields.is_empty() {
            return false;
        }
        let (of, _) = function.name.rsplit_once('.').unwrap_or_default();
        let is_method = of.ends_with(')');
        let siblings = self
            .called_within(&(function.entry..function.end))
            .into_iter()
            .filter(|callee| is_method && callee.name.rsplit_once('.').is_some_and(|(its, _)| its == of));
        std::iter::once(function.clone()).chain(siblings).any(|function| {
            let code = self.code(&function).unwrap_or_default();
            let stores = self.architecture().stores(code, function.entry);
            // Both words of it.
            fields
                .iter()
                .any(|field| stores.contains(field) && stores.contains(&(field + 8)))
        })
    }

    /// Offsets of error fields in the structs that a function has pointers to as receiver, parameters or results.
    fn error_fields(&self, function: &Function) -> Vec<u64> {
        let Ok(Some(signature)) = self.signature(function) else {
            return Vec::new();
        };
        let all = signature.receiver.iter();
        let all = all.chain(&signature.parameters).chain(&signature.results);
        let mut found = Vec::new();
        for variable in all {
            if let Kind::Pointer { target: Some(target) } = self.types().get(variable.ty).kind {
                self.error_fields_of(target, 0, DEPTH, &mut found);
            }
        }
        found
    }

    fn error_fields_of(&self, ty: TypeId, start: u64, depth: u32, found: &mut Vec<u64>) {
        let Kind::Struct { fields } = &self.types().get(ty).kind else {
            return;
        };
        for field in fields {
            let at = start + field.offset;
            if self.types().get(field.ty).name == "error" {
                found.push(at);
            } else if depth > 0 {
                self.error_fields_of(field.ty, at, depth - 1, found);
            }
        }
    }
}
