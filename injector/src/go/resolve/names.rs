//! What a function's name tells: whether it is a method, whether it is a generic shape.

/// A method, by the name of its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// The receiver's type without the star: `net/http.Request`, `main.Stack[go.shape.int]`.
    pub(super) receiver: String,
    pub(super) is_pointer: bool,
}

impl Method {
    /// Reads `pkg.(*T).M` and `pkg.T.M`. The second may also be a closure of a function `T`, so what
    /// a closure would be called is taken for one.
    pub(super) fn of(name: &str) -> Option<Method> {
        let package = super::super::pclntab::functions::package_of(name);
        // What the compiler makes for types without a package: equality, methods of struct literals.
        if matches!(package, "type:" | "go:" | "type" | "go") {
            return None;
        }
        let rest = name.get(package.len()..)?.strip_prefix('.')?;
        let method = |ty: &str, is_pointer| Method {
            receiver: format!("{package}.{ty}"),
            is_pointer,
        };
        if let Some(inner) = rest.strip_prefix("(*") {
            let close = outside_brackets(inner, ')')?;
            let last = inner[close..].strip_prefix(").")?;
            return is_method_name(last).then(|| method(&inner[..close], true));
        }
        let dot = outside_brackets(rest, '.')?;
        let (ty, last) = (&rest[..dot], &rest[dot + 1..]);
        (is_method_name(last) && !is_closure_name(last) && ty != "glob" && ty != "init")
            .then(|| method(ty, false))
    }

    /// Whether a parameter of that type can be the receiver.
    pub(super) fn receives(&self, ty: &str) -> bool {
        let plain = match (self.is_pointer, ty.strip_prefix('*')) {
            (true, Some(plain)) => plain,
            (false, None) => ty,
            _ => return false,
        };
        // Type arguments are written differently in names of functions and of types.
        same_path(head(plain), head(&self.receiver))
    }
}

/// Whether a function is the shape of a generic one, which takes a dictionary: type arguments stand
/// for whole groups of types, and it is not a closure in one.
pub(super) fn is_shaped(name: &str) -> bool {
    let Some(close) = name.rfind(']') else {
        return false;
    };
    if !name.contains("[go.shape.") {
        return false;
    }
    let after = name[close + 1..].trim_start_matches(')');
    match after.strip_prefix('.') {
        None => after.is_empty(),
        Some(method) => is_method_name(method) && !is_closure_name(method),
    }
}

fn head(ty: &str) -> &str {
    ty.split('[').next().unwrap_or(ty)
}

/// Compares import paths, escaped (`yaml%2ev3`) or not.
fn same_path(a: &str, b: &str) -> bool {
    a == b || a.replace("%2e", ".") == b.replace("%2e", ".")
}

fn is_method_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['.', '-'])
}

/// `func1`, `gowrap2`, `deferwrap1`, `1`: names that the compiler gives.
fn is_closure_name(name: &str) -> bool {
    let digits = ["func", "gowrap", "deferwrap", ""]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

/// The wrapper `pkg.(*T).M` of a method `pkg.T.M`; none for what is no method with a value receiver, and for methods of
/// generic types, whose wrappers are named by other type arguments.
pub(crate) fn wrapper_name(name: &str) -> Option<String> {
    let method = Method::of(name).filter(|method| !method.is_pointer && !name.contains('['))?;
    let package = super::super::pclntab::functions::package_of(name);
    let ty = method.receiver.get(package.len() + 1..)?;
    let last = name.get(method.receiver.len()..)?;
    Some(format!("{package}.(*{ty}){last}"))
}

/// Whether a function is a closure, by its name: `main.run.func1`, `main.run.func1.2`, `main.glob..func1`,
/// `main.run.func1-range2`.
pub(in crate::go) fn is_closure(name: &str) -> bool {
    let package = super::super::pclntab::functions::package_of(name);
    let Some((before, last)) = name.get(package.len()..).and_then(|own| own.rsplit_once('.')) else {
        return false;
    };
    // `main.init.0` is a function that a program may have several of.
    let last = last.split('-').next().unwrap_or(last);
    is_closure_name(last) && !(before == ".init" && last.bytes().all(|b| b.is_ascii_digit()))
}

/// The first place of a character outside of square brackets.
fn outside_brackets(text: &str, wanted: char) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(i, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if c == wanted && depth == 0 => return Some(i),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(name: &str) -> Option<(String, bool)> {
        Method::of(name).map(|m| (m.receiver, m.is_pointer))
    }

    #[test]
    fn methods_and_what_only_looks_like_one() {
        let some = |ty: &str, pointer| Some((ty.to_owned(), pointer));
        assert_eq!(receiver("net/http.(*conn).serve"), some("net/http.conn", true));
        assert_eq!(receiver("main.Status.String"), some("main.Status", false));
        assert_eq!(
            receiver("main.(*Stack[go.shape.string]).Push"),
            some("main.Stack[go.shape.string]", true)
        );
        assert_eq!(
            receiver("main.Pair[go.shape.int,a/b.T].Show"),
            some("main.Pair[go.shape.int,a/b.T]", false)
        );
        for name in [
            "main.run",
            "main.run.func1",
            "main.run.func1.2",
            "main.(*T).M.func1",
            "main.(*T).M-fm",
            "main.T.M-fm",
            "main.glob..func1",
            "main.init.0",
            "main.init.func1",
            "main.run.gowrap1",
            "main.run.deferwrap2",
            "main.run.func2-range1",
            "main.Map[go.shape.int]",
            "type:.eq.main.T",
            "type:.eq.SM10",
            "go:(*struct { io.Reader }).Read",
            "go:struct { encoding/json/v2.Marshaler }.MarshalJSON",
            "go.struct { io.Reader; io.Closer }.Close",
            "_rt0_amd64_linux",
        ] {
            assert_eq!(receiver(name), None, "{name}");
        }
    }

    #[test]
    fn wrappers_of_methods_with_a_value_receiver() {
        let wrapper = |name| wrapper_name(name);
        assert_eq!(wrapper("main.fixed.Rate").as_deref(), Some("main.(*fixed).Rate"));
        assert_eq!(wrapper("a.b/c%2ed.T.M").as_deref(), Some("a.b/c%2ed.(*T).M"));
        for name in ["main.(*T).M", "main.run", "main.run.func1", "main.List[...].Len"] {
            assert_eq!(wrapper(name), None, "{name}");
        }
    }

    #[test]
    fn receivers_by_their_type() {
        let method = |name| Method::of(name).unwrap();
        assert!(method("main.(*T).M").receives("*main.T"));
        assert!(!method("main.(*T).M").receives("main.T"));
        assert!(method("main.T.M").receives("main.T"));
        assert!(!method("main.T.M").receives("main.T2"));
        assert!(method("main.(*Stack[go.shape.string]).Push").receives("*main.Stack[go.shape.string]"));
        assert!(method("gopkg.in/yaml%2ev3.(*Node).Kind").receives("*gopkg.in/yaml.v3.Node"));
    }

    #[test]
    fn shapes_take_dictionaries_and_closures_in_them_do_not() {
        assert!(is_shaped("main.Map[go.shape.int,go.shape.string]"));
        assert!(is_shaped("main.(*Stack[go.shape.string]).Push"));
        assert!(is_shaped("main.Stack[go.shape.string].Len"));
        assert!(!is_shaped("main.Closure[go.shape.string].func1"));
        assert!(!is_shaped("main.(*Stack[go.shape.string]).Push.func1"));
        assert!(!is_shaped("main.(*Stack[string]).Push"));
        assert!(!is_shaped("main.run"));
    }
}
