//! Methods with a value receiver, and the compiler's wrappers that interfaces call.
//!
//! A wrapper `(*T).M` often has the body of `T.M` inlined. A rule on the method then acts in both, and in no wrapper
//! that calls the method: each call counts once, whichever way it came.

use std::collections::{BTreeMap, HashMap};

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::Rule;

use super::Finding;
use super::signature::signature;
use crate::go::address::Address;
use crate::go::types::{Kind, Signature, Type};
use crate::go::{Binary, Function, wrapper_name};

/// A function that a rule acts in.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    /// It.
    pub(super) function: Function,
    /// Why it is one: it has the body of this method in it, whose receiver it gets as a pointer.
    pub(super) stands_for: Option<String>,
    /// The method, where the program has it as well.
    pub(super) method: Option<Function>,
}

/// The functions that were selected, and the wrappers that calls of them go through unseen.
pub(super) fn with_wrappers(functions: Vec<Function>, name: Option<&str>, binary: &Binary) -> Vec<Selected> {
    let methods = || functions.iter().filter(|function| !function.is_wrapper);
    let mut methods_of: HashMap<String, Vec<&Function>> = HashMap::new();
    for method in methods() {
        if let Some(wrapper) = wrapper_name(&method.name) {
            methods_of.entry(wrapper).or_default().push(method);
        }
    }
    // Each call of such a wrapper comes to the method.
    let calls_one = |function: &Function| {
        let mut methods = methods_of.get(&function.name).into_iter().flatten();
        methods.any(|method| binary.calls_method(function, method))
    };
    let in_wrappers: BTreeMap<Address, (Function, &Function)> = methods()
        .filter_map(|method| {
            let wrapper = binary.wrapper_with_body(method)?;
            Some((wrapper.entry, (wrapper, method)))
        })
        .collect();
    let as_they_are = functions
        .iter()
        .filter(|function| !calls_one(function) && !in_wrappers.contains_key(&function.entry));
    let mut all: Vec<Selected> = as_they_are
        .map(|function| Selected {
            function: function.clone(),
            stands_for: name
                .filter(|name| function.is_wrapper && !name.contains("(*"))
                .map(str::to_owned),
            method: None,
        })
        .collect();
    all.extend(in_wrappers.into_values().map(|(wrapper, method)| Selected {
        function: wrapper,
        stands_for: Some(method.name.clone()),
        method: Some(method.clone()),
    }));
    all
}

impl Selected {
    /// Whether the receiver that the rule means is behind the pointer that the function gets.
    pub(super) fn is_wrapper(&self) -> bool {
        self.stands_for.is_some()
    }

    /// The signature of its calls. For a wrapper it is that of the method, but for the receiver.
    pub(super) fn signature(
        &self,
        source: &goinject_rules::source::Source,
        rule: &Rule,
        binary: &Binary,
    ) -> Result<Option<Signature>, Finding> {
        let Some(method) = &self.method else {
            return signature(source, rule, binary, &self.function);
        };
        let Some(mut signature) = signature(source, rule, binary, method)? else {
            return Ok(None);
        };
        if let Some(receiver) = &mut signature.receiver {
            receiver.ty = binary.types().add(Type {
                name: format!("*{}", binary.types().get(receiver.ty).name),
                size: 8,
                align: 8,
                kind: Kind::Pointer {
                    target: Some(receiver.ty),
                },
            });
        }
        match binary.check_signature(&self.function, &signature) {
            Ok(()) => Ok(Some(signature)),
            Err(why) => Err(Finding::unarmable(Diagnostic::error(why))),
        }
    }

    /// That a rule does not act in a wrapper, and why.
    pub(super) fn left_out(&self, rule: &Rule, own: &[Finding]) -> Finding {
        let method = self.stands_for.as_deref().unwrap_or(&self.function.name);
        let why = own.iter().find(|finding| finding.is_error());
        let why = why.map_or("", |finding| finding.diagnostic.message.as_str());
        let message = format!(
            "calls of `{method}` through an interface are not seen by the rule: `{}`, which has its body inlined, is left \
             out: {why}",
            self.function.name
        );
        let diagnostic = Diagnostic::warning(message)
            .at(rule.function.span)
            .rule(&rule.name);
        Finding::unarmable(diagnostic.help("build with `-gcflags=-l`, or mark the method `//go:noinline`"))
    }
}
