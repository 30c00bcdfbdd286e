//! Reads a signature.

use super::SignatureError;
use super::lexer::{Token, tokens};
use super::types::Held;
use crate::go::types::{Signature, TypeId, Types, Variable};

/// Finds a type of the program by its name.
pub(super) type Lookup<'l> = &'l dyn Fn(&str) -> Option<TypeId>;

/// Parses a whole signature, without telling a receiver apart.
pub(super) fn parse<'p>(
    text: &'p str,
    types: &'p Types,
    lookup: Lookup<'p>,
) -> Result<Signature, SignatureError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        types,
        lookup,
        depth: 0,
    };
    if parser.peek() != Token::Name("func") {
        return Err(
            parser.error("a signature begins with `func`, as in `func(key string) (n int, err error)`")
        );
    }
    parser.advance();
    let (parameters, results) = parser.signature()?;
    while parser.peek() == Token::Sign("\n") || parser.peek() == Token::Sign(";") {
        parser.advance();
    }
    if parser.peek() != Token::End {
        return Err(parser.error("the signature should end here"));
    }
    Ok(Signature {
        parameters,
        results,
        ..Signature::default()
    })
}

pub(super) struct Parser<'p> {
    pub(super) tokens: Vec<(usize, Token<'p>)>,
    pub(super) at: usize,
    pub(super) types: &'p Types,
    pub(super) lookup: Lookup<'p>,
    pub(super) depth: usize,
}

/// One entry of a parameter list.
enum Entry<'p> {
    /// A single name: a parameter's, or its type's.
    Lone(usize, &'p str),
    Unnamed(usize, TypeId),
    Named(&'p str, TypeId),
}

impl<'p> Parser<'p> {
    pub(super) fn peek(&self) -> Token<'p> {
        self.tokens.get(self.at).map_or(Token::End, |&(_, token)| token)
    }

    pub(super) fn offset(&self) -> usize {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(0, |&(offset, _)| offset)
    }

    pub(super) fn advance(&mut self) -> Token<'p> {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn accept(&mut self, sign: &str) -> bool {
        let found = self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &str, why: &str) -> Result<(), SignatureError> {
        if self.accept(sign) {
            Ok(())
        } else {
            Err(self.error(&format!("`{sign}` is missing here {why}")))
        }
    }

    pub(super) fn error(&self, message: &str) -> SignatureError {
        SignatureError {
            offset: self.offset(),
            message: message.to_owned(),
        }
    }

    /// Parameters and results, after `func`.
    pub(super) fn signature(&mut self) -> Result<(Vec<Variable>, Vec<Variable>), SignatureError> {
        if let Token::Name(_) = self.peek() {
            return Err(self.error("leave the function's name out: only `func(…) …`"));
        }
        self.expect("(", "before the parameters")?;
        let parameters = self.list(true)?;
        if let Token::Name(name) = self.peek()
            && self
                .tokens
                .get(self.at + 1)
                .is_some_and(|&(_, next)| next == Token::Sign("("))
            && name != "func"
        {
            return Err(
                self.error("write the receiver as the first parameter, and leave the function's name out")
            );
        }
        let results = if self.accept("(") {
            self.list(false)?
        } else if self.begins_type() {
            vec![Variable {
                name: None,
                ty: self.ty(Held::ByValue)?,
            }]
        } else {
            Vec::new()
        };
        Ok((parameters, results))
    }

    fn begins_type(&self) -> bool {
        matches!(self.peek(), Token::Name(_) | Token::Sign("*" | "[" | "<-"))
    }

    /// The entries up to the closing parenthesis.
    fn list(&mut self, may_be_variadic: bool) -> Result<Vec<Variable>, SignatureError> {
        let mut entries = Vec::new();
        self.skip_lines();
        while !self.accept(")") {
            let variadic = self.offset();
            let (entry, is_variadic) = self.entry()?;
            entries.push(entry);
            self.skip_lines();
            let ends = self.peek() == Token::Sign(")");
            if is_variadic && !(may_be_variadic && ends) {
                let message = match may_be_variadic {
                    true => "only the last parameter can be variadic",
                    false => "a result cannot be variadic",
                };
                return Err(SignatureError {
                    offset: variadic,
                    message: message.to_owned(),
                });
            }
            if !ends {
                self.expect(",", "between two parameters, or `)` after the last")?;
                self.skip_lines();
            }
        }
        self.variables(entries)
    }

    fn skip_lines(&mut self) {
        while self.peek() == Token::Sign("\n") {
            self.advance();
        }
    }

    /// One entry, and whether it is variadic.
    fn entry(&mut self) -> Result<(Entry<'p>, bool), SignatureError> {
        let offset = self.offset();
        if let Token::Name(name) = self.peek()
            && !is_keyword(name)
            && !name.contains(['.', '/'])
        {
            self.advance();
            self.skip_lines();
            if matches!(self.peek(), Token::Sign("," | ")")) {
                return Ok((Entry::Lone(offset, name), false));
            }
            if self.accept("...") {
                return Ok((Entry::Named(name, self.variadic()?), true));
            }
            if !self.begins_type() {
                return Err(self.error(&format!("a type for `{name}` is missing here")));
            }
            return Ok((Entry::Named(name, self.ty(Held::ByValue)?), false));
        }
        if self.accept("...") {
            return Ok((Entry::Unnamed(offset, self.variadic()?), true));
        }
        Ok((Entry::Unnamed(offset, self.ty(Held::ByValue)?), false))
    }

    fn variadic(&mut self) -> Result<TypeId, SignatureError> {
        let element = self.ty(Held::Elsewhere)?;
        Ok(self.slice_of(element))
    }

    /// Gives lone names their meaning: in a list with named parameters they share the next type.
    fn variables(&self, entries: Vec<Entry<'p>>) -> Result<Vec<Variable>, SignatureError> {
        let any_named = entries.iter().any(|e| matches!(e, Entry::Named(..)));
        let named = |name: &str, ty| Variable {
            name: (name != "_").then(|| name.to_owned()),
            ty,
        };
        let mut variables: Vec<Variable> = Vec::new();
        let mut waiting = Vec::new();
        for entry in entries {
            match entry {
                Entry::Lone(offset, name) if any_named => waiting.push((offset, name)),
                Entry::Lone(offset, name) => {
                    variables.push(Variable {
                        name: None,
                        ty: self.by_name(offset, name, Held::ByValue)?,
                    });
                }
                Entry::Unnamed(offset, _) if any_named => {
                    let message = "either all parameters have names or none has".to_owned();
                    return Err(SignatureError { offset, message });
                }
                Entry::Unnamed(_, ty) => variables.push(Variable { name: None, ty }),
                Entry::Named(name, ty) => {
                    variables.extend(waiting.drain(..).map(|(_, name)| named(name, ty)));
                    variables.push(named(name, ty));
                }
            }
        }
        match waiting.first() {
            Some(&(offset, name)) => Err(SignatureError {
                offset,
                message: format!("a type for `{name}` is missing"),
            }),
            None => Ok(variables),
        }
    }
}

pub(super) fn is_keyword(name: &str) -> bool {
    matches!(name, "struct" | "interface" | "func" | "map" | "chan")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::types::Kind;

    fn without_program(text: &str, types: &Types) -> Result<Signature, SignatureError> {
        parse(text, types, &|_| None)
    }

    fn shown(text: &str) -> Result<String, SignatureError> {
        let types = Types::default();
        let signature = without_program(text, &types)?;
        let list = |variables: &[Variable]| {
            let one = |v: &Variable| format!("{} {}", v.name.as_deref().unwrap_or("_"), types.get(v.ty).name);
            variables.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        Ok(format!(
            "({}) ({})",
            list(&signature.parameters),
            list(&signature.results)
        ))
    }

    fn size(text: &str) -> (u64, u64) {
        let types = Types::default();
        let signature = without_program(&format!("func({text})"), &types).unwrap();
        let ty = types.get(signature.parameters[0].ty);
        (ty.size, ty.align)
    }

    #[test]
    fn parameters_and_results_of_every_form() {
        for (text, expected) in [
            ("func()", "() ()"),
            ("func(int) error", "(_ int) (_ error)"),
            (
                "func(a, b int, _ string) (n int, err error)",
                "(a int, b int, _ string) (n int, err error)",
            ),
            (
                "func(s *struct{}, key string, n ...int) (val []byte, err error)",
                "(s *struct {}, key string, n []int) (val []uint8, err error)",
            ),
            (
                "func(string, []byte) (int, bool)",
                "(_ string, _ []uint8) (_ int, _ bool)",
            ),
            (
                "func(f func(a int, b string) (x, y error)) func()",
                "(f func(int, string) (error, error)) (_ func())",
            ),
            (
                "func(c <-chan int, d chan<- string, e chan error)",
                "(c <-chan int, d chan<- string, e chan error) ()",
            ),
            (
                "func(m map[string][]int, a [3]*pkg.T)",
                "(m map[string][]int, a [3]*pkg.T) ()",
            ),
            (
                "func(ctx context.Context, d time.Duration)",
                "(ctx context.Context, d time.Duration) ()",
            ),
            (
                "func(w http.ResponseWriter, r *http.Request)",
                "(w net/http.ResponseWriter, r *http.Request) ()",
            ),
            (
                "func(x interface{}, y any, z interface{ M() })",
                "(x interface {}, y interface {}, z interface { … }) ()",
            ),
            ("func(...any)", "(_ []interface {}) ()"),
            (
                "func(\n\ta int,\n\tb string,\n) error\n",
                "(a int, b string) (_ error)",
            ),
            ("func(p *list.List[int, string])", "(p *list.List) ()"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn sizes_are_those_of_go() {
        assert_eq!(
            size("struct{ a uint8; b, c int32; io.Reader; _ [2]uint16 }"),
            (40, 8)
        );
        assert_eq!(size("struct{ *T; x bool }"), (16, 8));
        assert_eq!(size("time.Time"), (24, 8));
        assert_eq!(size("complex64"), (8, 4));
        assert_eq!(size("[0]int64"), (0, 8));
        assert_eq!(size("os.FileMode"), (4, 4));
        assert_eq!(size("(int16)"), (2, 2));
    }

    #[test]
    fn embedded_and_blank_fields() {
        let types = Types::default();
        let signature = without_program(
            "func(struct{ io.Reader; *pkg.Inner; _ int; Name string })",
            &types,
        )
        .unwrap();
        let Kind::Struct { fields } = &types.get(signature.parameters[0].ty).kind else {
            panic!()
        };
        let shown: Vec<_> = fields
            .iter()
            .map(|f| (f.name.as_str(), f.offset, f.embedded))
            .collect();
        assert_eq!(
            shown,
            [
                ("Reader", 0, true),
                ("Inner", 16, true),
                ("_", 24, false),
                ("Name", 32, false)
            ]
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, offset, part) in [
            ("", 0, "begins with `func`"),
            ("fun(a int)", 0, "begins with `func`"),
            ("func(a int", 10, "`,` is missing"),
            ("func(a int) foo.Bar", 12, "`foo.Bar` is not known"),
            ("func(a pkg.T, b int)", 7, "`pkg.T` is not known"),
            ("func(a *struct{ x pkg.T })", 18, "`pkg.T` is not known"),
            ("func(a int, b)", 12, "a type for `b` is missing"),
            ("func(a int, *T)", 12, "either all parameters"),
            ("func(a ...int, b int)", 5, "only the last"),
            ("func() (a ...int)", 8, "a result cannot"),
            ("func(a int) int int", 16, "should end here"),
            ("func(s *T) Name(a int) error", 11, "first parameter"),
            ("func main(a int)", 5, "name out"),
            ("func(a [x]int)", 8, "number of elements"),
            ("func(a [99999999999999999999]int)", 8, "not a number"),
            ("func(a [9999999999999999]int)", 8, "larger than memory"),
            ("func(a interface{)", 18, "`}` is missing"),
            ("func(a struct{x int", 19, "`;` or `}`"),
            ("func(a map[string)", 17, "`]` is missing"),
            ("func(ä <-int)", 10, "followed by `chan`"),
        ] {
            let error = shown(text).unwrap_err();
            assert_eq!(
                (error.offset, error.message.contains(part)),
                (offset, true),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!("func({}int)", "*".repeat(100_000));
        assert!(shown(&text).unwrap_err().message.contains("too deeply"));
    }
}
