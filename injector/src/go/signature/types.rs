//! Reads the types in a signature.

use super::SignatureError;
use super::known::{self, Known};
use super::layout::{array, named, scalar, structure, words};
use super::lexer::{Token, tokens};
use super::parser::{Parser, is_keyword};
use crate::go::types::{Kind, Type, TypeId, Variable};

/// Types nest less than this; a bound for texts that would exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Whether the size of a type matters where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    ByValue,
    Elsewhere,
}

impl<'p> Parser<'p> {
    pub(super) fn ty(&mut self, held: Held) -> Result<TypeId, SignatureError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("types nest too deeply here"));
        }
        let ty = self.ty_inner(held);
        self.depth -= 1;
        ty
    }

    fn ty_inner(&mut self, held: Held) -> Result<TypeId, SignatureError> {
        let offset = self.offset();
        match self.peek() {
            Token::Sign("*") => {
                self.advance();
                let target = self.ty(Held::Elsewhere)?;
                let name = format!("*{}", self.name(target));
                Ok(words(self.types, name, 1, Kind::Pointer { target: Some(target) }))
            }
            Token::Sign("[") => self.slice_or_array(),
            Token::Sign("<-") => {
                self.advance();
                if self.advance() != Token::Name("chan") {
                    self.at -= 1;
                    return Err(self.error("`<-` is followed by `chan`"));
                }
                self.channel("<-chan ")
            }
            Token::Sign("(") => {
                self.advance();
                let ty = self.ty(held)?;
                self.expect(")", "after the type")?;
                Ok(ty)
            }
            Token::Name(name) => {
                self.advance();
                match name {
                    "struct" => self.structure(),
                    "interface" => self.interface(),
                    "func" => self.function(),
                    "map" => self.map(),
                    "chan" if self.accept("<-") => self.channel("chan<- "),
                    "chan" => self.channel("chan "),
                    _ => {
                        self.skip_type_arguments()?;
                        self.by_name(offset, name, held)
                    }
                }
            }
            _ => Err(self.error("a type is missing here")),
        }
    }

    fn name(&self, ty: TypeId) -> &'p str {
        &self.types.get(ty).name
    }

    pub(super) fn slice_of(&self, element: TypeId) -> TypeId {
        words(
            self.types,
            format!("[]{}", self.name(element)),
            3,
            Kind::Slice { element },
        )
    }

    fn slice_or_array(&mut self) -> Result<TypeId, SignatureError> {
        self.advance();
        if self.accept("]") {
            let element = self.ty(Held::Elsewhere)?;
            return Ok(self.slice_of(element));
        }
        let offset = self.offset();
        let Token::Number(text) = self.advance() else {
            return Err(SignatureError {
                offset,
                message: "`]` or a number of elements is missing here".to_owned(),
            });
        };
        let plain = text.replace('_', "").to_lowercase();
        let length = match plain.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => plain.parse(),
        };
        let wrong = || SignatureError {
            offset,
            message: format!("`{text}` is not a number of elements"),
        };
        let length = length.map_err(|_| wrong())?;
        self.expect("]", "after the number of elements")?;
        let element = self.ty(Held::ByValue)?;
        let too_large = || SignatureError {
            offset,
            message: "this array is larger than memory".to_owned(),
        };
        array(self.types, element, length).ok_or_else(too_large)
    }

    fn channel(&mut self, prefix: &str) -> Result<TypeId, SignatureError> {
        let element = self.ty(Held::Elsewhere)?;
        Ok(words(
            self.types,
            format!("{prefix}{}", self.name(element)),
            1,
            Kind::Chan,
        ))
    }

    fn map(&mut self) -> Result<TypeId, SignatureError> {
        self.expect("[", "after `map`")?;
        let key = self.ty(Held::Elsewhere)?;
        self.expect("]", "after the key type")?;
        let value = self.ty(Held::Elsewhere)?;
        let name = format!("map[{}]{}", self.name(key), self.name(value));
        Ok(words(
            self.types,
            name,
            1,
            Kind::Map {
                key: Some(key),
                value: Some(value),
            },
        ))
    }

    fn function(&mut self) -> Result<TypeId, SignatureError> {
        let (parameters, results) = self.signature()?;
        let list = |variables: &[Variable]| {
            variables
                .iter()
                .map(|v| self.name(v.ty))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let results = match &results[..] {
            [] => String::new(),
            [one] => format!(" {}", self.name(one.ty)),
            more => format!(" ({})", list(more)),
        };
        Ok(words(
            self.types,
            format!("func({}){results}", list(&parameters)),
            1,
            Kind::Func,
        ))
    }

    fn interface(&mut self) -> Result<TypeId, SignatureError> {
        self.expect("{", "after `interface`")?;
        let mut open = 1;
        let mut empty = true;
        while open > 0 {
            match self.advance() {
                Token::Sign("{") => open += 1,
                Token::Sign("}") => open -= 1,
                Token::Sign(";" | "\n") => {}
                Token::End => {
                    self.at -= 1;
                    return Err(self.error("`}` is missing here after the interface's methods"));
                }
                _ => empty = false,
            }
        }
        let name = if empty {
            "interface {}"
        } else {
            "interface { … }"
        };
        Ok(words(self.types, name.to_owned(), 2, Kind::Interface { empty }))
    }

    fn structure(&mut self) -> Result<TypeId, SignatureError> {
        let offset = self.offset();
        self.expect("{", "after `struct`")?;
        let mut members = Vec::new();
        loop {
            while self.accept(";") || self.accept("\n") {}
            if self.accept("}") {
                break;
            }
            self.members(&mut members)?;
            if !matches!(self.peek(), Token::Sign(";" | "\n" | "}")) {
                return Err(self.error("`;` or `}` is missing here after the field"));
            }
        }
        let too_large = || SignatureError {
            offset,
            message: "this struct is larger than memory".to_owned(),
        };
        structure(self.types, members).ok_or_else(too_large)
    }

    /// One line of a struct: fields of one type, or an embedded type.
    fn members(&mut self, members: &mut Vec<(String, TypeId, bool)>) -> Result<(), SignatureError> {
        let offset = self.offset();
        let next = self
            .tokens
            .get(self.at + 1)
            .map_or(Token::End, |&(_, token)| token);
        let stands_alone = matches!(next, Token::Sign(";" | "\n" | "}") | Token::End);
        if let Token::Name(name) = self.peek()
            && !is_keyword(name)
            && !name.contains(['.', '/'])
            && !stands_alone
        {
            let mut names = vec![name.to_owned()];
            self.advance();
            while self.accept(",") {
                let Token::Name(name) = self.advance() else {
                    self.at -= 1;
                    return Err(self.error("a field's name is missing here"));
                };
                names.push(name.to_owned());
            }
            let ty = self.ty(Held::ByValue)?;
            members.extend(names.into_iter().map(|name| (name, ty, false)));
            return Ok(());
        }
        if !matches!(self.peek(), Token::Name(_) | Token::Sign("*")) {
            return Err(SignatureError {
                offset,
                message: "a field is missing here".to_owned(),
            });
        }
        let ty = self.ty(Held::ByValue)?;
        let full = self.name(ty).trim_start_matches('*');
        let base = full
            .split('[')
            .next()
            .unwrap_or(full)
            .rsplit(['.', '/'])
            .next()
            .unwrap_or(full);
        members.push((base.to_owned(), ty, true));
        Ok(())
    }

    /// Skips `[int, string]` after the name of a generic type.
    fn skip_type_arguments(&mut self) -> Result<(), SignatureError> {
        if !self.accept("[") {
            return Ok(());
        }
        let mut open = 1;
        while open > 0 {
            match self.advance() {
                Token::Sign("[") => open += 1,
                Token::Sign("]") => open -= 1,
                Token::End => {
                    self.at -= 1;
                    return Err(self.error("`]` is missing here after the type arguments"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn by_name(&self, offset: usize, name: &str, held: Held) -> Result<TypeId, SignatureError> {
        let types = self.types;
        let number = |size, kind| Ok(scalar(types, name, size, kind));
        match name {
            "bool" => return number(1, Kind::Bool),
            "int8" => return number(1, Kind::Int),
            "int16" => return number(2, Kind::Int),
            "int32" | "rune" => return Ok(scalar(types, "int32", 4, Kind::Int)),
            "int" | "int64" => return number(8, Kind::Int),
            "uint8" | "byte" => return Ok(scalar(types, "uint8", 1, Kind::Uint)),
            "uint16" => return number(2, Kind::Uint),
            "uint32" => return number(4, Kind::Uint),
            "uint" | "uint64" | "uintptr" => return number(8, Kind::Uint),
            "float32" => return number(4, Kind::Float),
            "float64" => return number(8, Kind::Float),
            "complex64" | "complex128" => {
                let size = if name == "complex64" { 8 } else { 16 };
                let ty = Type {
                    name: name.to_owned(),
                    size,
                    align: size / 2,
                    kind: Kind::Complex,
                };
                return Ok(types.add(ty));
            }
            "string" => return Ok(words(types, name.to_owned(), 2, Kind::String)),
            "error" => return Ok(words(types, name.to_owned(), 2, Kind::Interface { empty: false })),
            "any" => {
                return Ok(words(
                    types,
                    "interface {}".to_owned(),
                    2,
                    Kind::Interface { empty: true },
                ));
            }
            "unsafe.Pointer" => return Ok(words(types, name.to_owned(), 1, Kind::Pointer { target: None })),
            _ => {}
        }
        // What is not passed by value need not be known, and may refer to itself.
        if held == Held::Elsewhere && !matches!(known::find(name), Some((_, Known::Interface))) {
            let full = known::find(name).map_or_else(|| name.to_owned(), |(full, _)| full);
            return Ok((self.lookup)(&full).unwrap_or_else(|| {
                types.add(Type {
                    name: full,
                    ..Type::unknown(0)
                })
            }));
        }
        match known::find(name) {
            Some((full, Known::Interface)) => Ok(words(types, full, 2, Kind::Interface { empty: false })),
            Some((full, Known::Type(text))) => {
                let mut inner = Parser {
                    tokens: tokens(text)?,
                    at: 0,
                    types,
                    lookup: self.lookup,
                    depth: self.depth,
                };
                Ok(named(types, &full, inner.ty(Held::ByValue)?))
            }
            None => (self.lookup)(name).ok_or_else(|| SignatureError {
                offset,
                message: format!(
                    "the type `{name}` is not known here: write what it is made of, such as \
                     `struct{{a int; b string}}` or `int64` (behind a pointer any name will do)"
                ),
            }),
        }
    }
}
