//! Facts in words: what `goinject inspect` prints.

use std::fmt::{self, Display, Formatter};

use super::Found;
use super::overview::{Listed, Overview};
use super::types::TypeFacts;
use crate::resolve::facts::{Access, Delay, FunctionFacts, InlinedPlace, NamedFunction, Role, Value};
use crate::words::{self, columns, count};

/// Call sites that are listed.
const SHOWN: usize = 10;

impl Display for Found {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Found::Overview(overview) => overview.fmt(f),
            Found::Function(function) => function.fmt(f),
            Found::Type(ty) => ty.fmt(f),
        }
    }
}

impl Display for Overview {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.own_only {
            self.write_program(f)?;
        }
        for (n, package) in self.packages.iter().enumerate() {
            if n > 0 || self.own_only {
                writeln!(f)?;
            }
            writeln!(f, "{}", package.path)?;
            for function in &package.functions {
                writeln!(f, "  {function}")?;
            }
        }
        if !self.inlined_everywhere.is_empty() {
            writeln!(f, "\ninlined everywhere, so that no rule can reach them")?;
            for function in &self.inlined_everywhere {
                let places = count(function.calls, "place");
                writeln!(f, "  {}, {places}", function.name)?;
            }
        }
        if self.own_only && self.counts.total() > self.counts.own {
            writeln!(
                f,
                "\nother packages: goinject inspect {} net/http, or a pattern such as 'net/http.(*Client).*'",
                words::path(&self.path)
            )?;
        }
        Ok(())
    }
}

impl Overview {
    fn write_program(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", words::path(&self.path), self.go_version)?;
        match &self.main_module {
            Some(module) => writeln!(f, ", module {module}")?,
            None => writeln!(f)?,
        }
        if let Some(id) = &self.build_id {
            writeln!(f, "build id {id}")?;
        }
        let build = &self.build;
        let stripped = match (build.types, build.symbols) {
            (true, true) => "not stripped: types and symbols",
            (true, false) => "types, but no symbols",
            (false, true) => "no types (built with -ldflags=-w?): rules need `signature`",
            (false, false) => "stripped: no types and no symbols, so rules need `signature`",
        };
        write!(f, "{stripped}")?;
        if let Some(file) = &build.debug_file {
            write!(f, ", from {}", file.display())?;
        }
        for (holds, what) in [
            (build.position_independent, "position-independent"),
            (build.cgo, "cgo"),
            (build.race, "race detector"),
        ] {
            if holds {
                write!(f, "; {what}")?;
            }
        }
        let counts = &self.counts;
        writeln!(
            f,
            "\n{}: {} of its own, {} of other modules, {} of the standard library, {} of the runtime",
            count(counts.total(), "function"),
            counts.own,
            counts.modules,
            counts.standard,
            counts.runtime
        )
    }
}

impl Display for Listed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(declaration) = &self.declaration {
            f.write_str(parameters(declaration))?;
        }
        let mut remarks = Vec::new();
        if self.instances > 1 {
            remarks.push(format!("{} instances", self.instances));
        }
        if self.inlined_calls > 0 {
            remarks.push(format!("{} inlined", count(self.inlined_calls, "call")));
        }
        if let Some(why) = self.refused {
            remarks.push(format!("not to be probed: {why}"));
        }
        if remarks.is_empty() {
            return Ok(());
        }
        write!(f, "    // {}", remarks.join("; "))
    }
}

/// A declaration from its parameters on: the first parenthesis behind the name.
fn parameters(declaration: &str) -> &str {
    let rest = declaration.strip_prefix("func ").unwrap_or(declaration);
    let from = if rest.starts_with('(') {
        // Behind the receiver, whose type may have parentheses of its own.
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        end.map_or(rest, |end| &rest[end + 1..])
    } else {
        rest
    };
    from.find('(').map_or("", |at| &from[at..])
}

impl Display for NamedFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        let several = self.functions.len() > 1;
        for (n, function) in self.functions.iter().enumerate() {
            if several {
                writeln!(
                    f,
                    "\n  instance {} of {}; a rule acts on all of them",
                    n + 1,
                    self.functions.len()
                )?;
            }
            function.fmt(f)?;
        }
        write_inlined(f, self.functions.is_empty(), &self.inlined)
    }
}

fn write_inlined(f: &mut Formatter<'_>, everywhere: bool, calls: &[InlinedPlace]) -> fmt::Result {
    if calls.is_empty() {
        return Ok(());
    }
    if everywhere {
        writeln!(f, "  every call of it is inlined, so no rule can reach one")?;
        writeln!(
            f,
            "  mark it `//go:noinline`, build with `-gcflags=-l` (without `all=`) for calls in your own packages, or name the function that it is inlined into"
        )?;
    } else {
        let pass = if calls.len() == 1 {
            "is inlined and never passes"
        } else {
            "are inlined and never pass"
        };
        writeln!(f, "\n  {} {pass} these sites", count(calls.len(), "call"))?;
    }
    for call in calls.iter().take(SHOWN) {
        writeln!(f, "    into {} at {}:{}", call.within, call.file, call.line)?;
    }
    if calls.len() > SHOWN {
        writeln!(f, "    and in {} more places", calls.len() - SHOWN)?;
    }
    Ok(())
}

impl Display for FunctionFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(declaration) = &self.declaration {
            writeln!(f, "  {declaration}")?;
        }
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            writeln!(f, "  {file}:{line}")?;
        }
        writeln!(
            f,
            "  {}, {}, {} convention",
            self.address,
            count(self.size as usize, "byte"),
            self.convention
        )?;
        if let Some(why) = &self.refused {
            writeln!(f, "\n  it cannot be probed: {why}")?;
        }
        if let Some(why) = &self.untyped {
            writeln!(f, "\n  {why}: a rule says them, as `signature: \"func(…) (…)\"`")?;
        }
        for (heading, roles) in [
            (
                "receiver and parameters, in place at entry",
                &[Role::Receiver, Role::Parameter][..],
            ),
            ("results, in place at return", &[Role::Result]),
        ] {
            self.write_values(f, heading, roles)?;
        }
        if !self.sites.is_empty() && self.refused.is_none() {
            writeln!(f, "\n  sites")?;
            for site in &self.sites {
                let kind = site.kind.words();
                writeln!(f, "    {kind} {}", site.instruction)?;
            }
        }
        if let (Some(delay), None) = (&self.delay, &self.refused) {
            match delay {
                Delay::Sleeps => writeln!(f, "\n  delay: the goroutine sleeps")?,
                Delay::Yields => writeln!(
                    f,
                    "\n  delay: the goroutine yields until its time, which costs processor time"
                )?,
                Delay::Refused(why) => writeln!(f, "\n  delay: not possible: {why}")?,
            }
        }
        for note in &self.notes {
            writeln!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}

impl FunctionFacts {
    fn write_values(&self, f: &mut Formatter<'_>, heading: &str, roles: &[Role]) -> fmt::Result {
        let mut rows = Vec::new();
        for value in self.values.iter().filter(|value| roles.contains(&value.role)) {
            rows.push(self.row(value, &value.path, ""));
            for field in &value.fields {
                let own = field.path.strip_prefix(&value.path).unwrap_or(&field.path);
                rows.push(self.row(field, own, "  "));
            }
            if value.more_fields > 0 {
                rows.push(["  …".to_owned(), String::new(), String::new(), String::new()]);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let heading = if roles.contains(&Role::Receiver)
            && !self.values.iter().any(|value| value.role == Role::Receiver)
        {
            "parameters, in place at entry"
        } else {
            heading
        };
        writeln!(f, "\n  {heading}")?;
        f.write_str(&columns(&rows, "    "))
    }

    fn row(&self, value: &Value, path: &str, indent: &str) -> [String; 4] {
        let parts: Vec<String> = value
            .parts
            .iter()
            .map(|part| format!("{} {}", part.name, part.place).trim_start().to_owned())
            .collect();
        [
            format!("{indent}{path}"),
            value.type_name.clone(),
            parts.join(", "),
            // Said once, for the function as a whole.
            access_words(
                value.access,
                value.why.as_deref().filter(|_| self.refused.is_none()),
            ),
        ]
    }
}

fn access_words(access: Access, why: Option<&str>) -> String {
    let word = match access {
        Access::Set => "set",
        Access::Observe => "observe",
        Access::Fields => "by its parts",
        Access::Neither => "neither",
    };
    match why {
        Some(why) => format!("{word}: {why}"),
        None => word.to_owned(),
    }
}

impl Display for TypeFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {}, {}, alignment {}",
            self.name,
            self.kind,
            count(self.size as usize, "byte"),
            self.align
        )?;
        writeln!(
            f,
            "  as a whole: {}",
            access_words(self.access, self.why.as_deref())
        )?;
        if self.fields.is_empty() {
            return Ok(());
        }
        let mut rows = vec![["offset", "size", "field", "type", ""].map(str::to_owned)];
        rows.extend(self.fields.iter().map(|field| {
            let embedded = if field.embedded { " (embedded)" } else { "" };
            [
                field.offset.to_string(),
                field.size.to_string(),
                format!("{}{embedded}", field.name),
                field.type_name.clone(),
                access_words(field.access, field.why.as_deref()),
            ]
        }));
        writeln!(f)?;
        f.write_str(&columns(&rows, "  "))
    }
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn parameters_of_declarations() {
        for (declaration, expected) in [
            ("func run()", "()"),
            (
                "func (s *Store) Get(key string) (int, error)",
                "(key string) (int, error)",
            ),
            ("func (f func(int) int) call(n int)", "(n int)"),
            ("func Map[...](f func(int)) []int", "(f func(int)) []int"),
        ] {
            assert_eq!(parameters(declaration), expected);
        }
    }
}
