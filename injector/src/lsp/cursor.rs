//! Where in a rule file the cursor stands. The text is one that is being written, so that it need not be valid YAML: all
//! that counts is indentation in block style, and brackets in flow style.

use goinject_rules::source::Span;

/// Where the cursor stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The keys that lead to the mapping that it stands in.
    pub(super) path: Vec<String>,
    /// The key of the value that it stands in; none where a key is to be written.
    pub(super) key: Option<String>,
    /// What is to be replaced: the key or value so far.
    pub(super) word: Span,
    /// Within `{…}` or `[…]`.
    pub(super) flow: bool,
    /// Within quotes.
    pub(super) quoted: bool,
}

/// One line of block style: where its dashes, its key and its value are.
#[derive(Debug, Default)]
struct Line<'t> {
    /// Columns of the dashes that begin it.
    dashes: Vec<usize>,
    /// Column where what follows the dashes begins.
    column: usize,
    /// The key, and the column behind its colon.
    key: Option<(&'t str, usize)>,
    is_blank: bool,
    /// It has a key, and its value is on the lines below.
    is_head: bool,
}

/// An open bracket.
struct Open {
    at: usize,
    is_mapping: bool,
    /// Behind the last separator.
    item: usize,
}

impl Cursor {
    /// Finds out what stands at an offset.
    pub(super) fn at(text: &str, offset: usize) -> Cursor {
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let (open, quote) = opened(&text[..offset]);
        let Some(outermost) = open.first() else {
            return in_block(text, offset, quote);
        };
        let around = in_block(text, outermost.at, None);
        let mut path = around.path;
        path.extend(around.key);
        for (n, bracket) in open.iter().enumerate() {
            let end = open.get(n + 1).map_or(offset, |next| next.at);
            let item = &text[bracket.item..end];
            let entry = if bracket.is_mapping { split(item) } else { None };
            if n + 1 < open.len() {
                path.extend(entry.map(|(key, _)| key.to_owned()));
                continue;
            }
            let start = entry.map_or(0, |(_, value)| value);
            let lead = item[start..].len() - item[start..].trim_start().len();
            // What a list holds are values of the key before it.
            let of_list = if bracket.is_mapping { None } else { path.pop() };
            let mut cursor = Cursor {
                path: path.clone(),
                key: entry.map(|(key, _)| key.to_owned()).or(of_list),
                word: Span {
                    start: bracket.item + start + lead,
                    end: offset,
                },
                flow: true,
                quoted: false,
            };
            cursor.set_quote(text, quote);
            cursor.extend(text);
            return cursor;
        }
        Cursor::default()
    }

    fn set_quote(&mut self, text: &str, quote: Option<usize>) {
        self.quoted = quote.is_some() || text[self.word.start..self.word.end].starts_with(['"', '\'']);
        if self.quoted {
            self.word.start = (self.word.start + 1).min(self.word.end);
        }
    }

    /// The rest of the word behind the cursor.
    fn extend(&mut self, text: &str) {
        let end = |c: char| match (self.quoted, self.flow) {
            (true, _) => matches!(c, '"' | '\'' | '\n'),
            (_, true) => matches!(c, ',' | '}' | ']' | ':' | '\n' | ' '),
            _ => matches!(c, '\n' | ' ' | '#') || (c == ':' && self.key.is_none()),
        };
        let rest = &text[self.word.end..];
        self.word.end += rest.find(end).unwrap_or(rest.len());
    }
}

/// The brackets that are open at the end of a text, and the quote.
fn opened(text: &str) -> (Vec<Open>, Option<usize>) {
    let mut open: Vec<Open> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    // What stood last that is no blank: only behind these does a value begin.
    let mut last = '\n';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some((mark, _)) = quote {
            match c {
                '\\' if mark == '"' => drop(chars.next()),
                '\n' => quote = None,
                _ if c == mark => quote = None,
                _ => {}
            }
            continue;
        }
        let begins = matches!(last, '\n' | ':' | '-' | '{' | '[' | ',');
        let blank_before = at == 0 || text[..at].ends_with(char::is_whitespace);
        match c {
            '"' | '\'' if begins => quote = Some((c, at)),
            '#' if blank_before => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '{' | '[' if begins => open.push(Open {
                at,
                is_mapping: c == '{',
                item: at + 1,
            }),
            '}' | ']' if !open.is_empty() => drop(open.pop()),
            ',' => {
                if let Some(open) = open.last_mut() {
                    open.item = at + 1;
                }
            }
            _ => {}
        }
        // A new line begins nothing new within brackets, and brackets and commas within values are none of YAML's.
        let means_itself = match c {
            '{' | '[' => !begins,
            ',' => open.is_empty(),
            _ => false,
        };
        if means_itself {
            last = 'x';
        } else if !c.is_whitespace() || (c == '\n' && open.is_empty()) {
            last = c;
        }
    }
    (open, quote.map(|(_, at)| at))
}

/// Key and place of the value behind it.
fn split(entry: &str) -> Option<(&str, usize)> {
    let colon = entry
        .match_indices(':')
        .find(|(at, _)| entry[at + 1..].is_empty() || entry[at + 1..].starts_with(char::is_whitespace))?;
    let key = entry[..colon.0].trim().trim_matches(['"', '\'']);
    (!key.is_empty() && !key.starts_with('#')).then_some((key, colon.0 + 1))
}

fn line(text: &str) -> Line<'_> {
    let mut read = Line::default();
    let mut column = 0;
    let mut rest = text;
    loop {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        column += blanks;
        rest = &rest[blanks..];
        match rest.strip_prefix('-') {
            Some(after) if after.is_empty() || after.starts_with(' ') => {
                read.dashes.push(column);
                column += 1;
                rest = after;
            }
            _ => break,
        }
    }
    read.column = column;
    read.is_blank = read.dashes.is_empty() && (rest.trim().is_empty() || rest.starts_with('#'));
    let entry = split(rest);
    read.is_head =
        entry.is_some_and(|(_, value)| matches!(rest[value..].trim().chars().next(), None | Some('#' | '&')));
    read.key = entry.map(|(key, value)| (key, column + value));
    read
}

fn in_block(text: &str, offset: usize, quote: Option<usize>) -> Cursor {
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[start..offset];
    let own = line(before);
    let mut cursor = Cursor::default();
    let value = own.key.map_or(own.column, |(_, value)| value).min(before.len());
    let lead = before[value..].len() - before[value..].trim_start().len();
    cursor.key = own.key.map(|(key, _)| key.to_owned());
    cursor.word = Span {
        start: start + value + lead,
        end: offset,
    };
    cursor.set_quote(text, quote);
    cursor.extend(text);
    // Up through the lines that this one is indented below.
    let mut limit = own.column;
    let mut may_equal = false;
    if let Some(dash) = own.dashes.first() {
        limit = *dash;
        may_equal = true;
    }
    for above in text[..start].lines().rev().map(line) {
        if above.is_blank {
            continue;
        }
        let Some((key, _)) = above.key else { continue };
        let is_parent = above.column < limit || (may_equal && above.column == limit && above.is_head);
        if is_parent {
            cursor.path.insert(0, key.to_owned());
            limit = above.column;
            may_equal = false;
        }
        // The first line of a list's item, of which the line below is another.
        if let Some(dash) = above.dashes.first()
            && above.column <= limit
        {
            limit = *dash;
            may_equal = true;
        }
        if limit == 0 && !may_equal {
            break;
        }
    }
    // A value in a list without keys of its own is one of the key above.
    if cursor.key.is_none() && !own.dashes.is_empty() && cursor.path.last().is_some_and(|key| key != "rules")
    {
        cursor.key = cursor.path.pop();
    }
    cursor
}

/// The function that the rule around the cursor names.
pub(super) fn function_of_rule(text: &str, offset: usize) -> Option<String> {
    let starts: Vec<usize> = rule_starts(text);
    let start = *starts.iter().rfind(|start| **start <= offset)?;
    let end = starts
        .iter()
        .find(|next| **next > start)
        .map_or(text.len(), |end| *end);
    let rule = &text[start..end];
    let at = rule
        .match_indices("function:")
        .find(|(at, _)| rule[..*at].ends_with([' ', '{', ',', '\n', '-']))?
        .0;
    let value = rule[at + "function:".len()..].lines().next()?.trim();
    let name = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        '{' => return None,
        _ => value.split([',', '}', ' ']).next()?,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// Where the items of `rules` begin.
fn rule_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    let mut inside = false;
    let mut column = None;
    for row in text.split_inclusive('\n') {
        let read = line(row.trim_end());
        if let Some(("rules", _)) = read.key {
            inside = read.dashes.is_empty() && read.column == 0;
        } else if inside
            && let Some(dash) = read.dashes.first()
            && *column.get_or_insert(*dash) == *dash
        {
            starts.push(at);
        }
        at += row.len();
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cursor stands at `|`.
    fn at(text: &str) -> (String, Option<String>, String) {
        let offset = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        let cursor = Cursor::at(&text, offset);
        (
            cursor.path.join("/"),
            cursor.key,
            text[cursor.word.start..cursor.word.end].to_owned(),
        )
    }

    fn key(path: &str, word: &str) -> (String, Option<String>, String) {
        (path.to_owned(), None, word.to_owned())
    }

    fn value(path: &str, key: &str, word: &str) -> (String, Option<String>, String) {
        (path.to_owned(), Some(key.to_owned()), word.to_owned())
    }

    #[test]
    fn block_style() {
        assert_eq!(at("ver|"), key("", "ver"));
        assert_eq!(at("version: 1\nrules:\n- fun|"), key("rules", "fun"));
        assert_eq!(
            at("rules:\n  - function: main.r|un\n"),
            value("rules", "function", "main.run")
        );
        assert_eq!(at("rules:\n- function: main.run\n  |"), key("rules", ""));
        assert_eq!(
            at("rules:\n- function: main.run\n  inject:\n    set:\n      co|\n"),
            key("rules/inject/set", "co")
        );
        assert_eq!(
            at("rules:\n- function: main.run\n  inject:\n    set:\n      count: |"),
            value("rules/inject/set", "count", "")
        );
        assert_eq!(
            at("rules:\n- name: x\n  when:\n    nth: 3\n    sc|ope: test\n- name: y"),
            key("rules/when", "scope")
        );
        assert_eq!(
            at("rules:\n- callers:\n  - main.|x\n"),
            value("rules", "callers", "main.x")
        );
        assert_eq!(at("# c\ntarget:\n\n  |\nrules:\n"), key("target", ""));
    }

    #[test]
    fn flow_style() {
        assert_eq!(at("rules:\n- {fun|"), key("rules", "fun"));
        assert_eq!(
            at("rules:\n- {function: main.(*T|).M, inject: {}}"),
            value("rules", "function", "main.(*T).M")
        );
        assert_eq!(
            at("rules:\n- function: a.b\n  inject: {|"),
            key("rules/inject", "")
        );
        assert_eq!(
            at("rules:\n- inject: {return: {err: {errno: EN|"),
            value("rules/inject/return/err", "errno", "EN")
        );
        assert_eq!(
            at("rules:\n- inject: {set: {a: 1, \"res|ults[0]\": 2}}"),
            key("rules/inject/set", "results[0]")
        );
        assert_eq!(
            at("rules:\n- callers: [main.a, ma|]"),
            value("rules", "callers", "ma")
        );
        assert_eq!(
            at("rules:\n- inject:\n    return: {n: 0,\n      er|"),
            key("rules/inject/return", "er")
        );
        // Brackets within values are none of YAML's.
        assert_eq!(at("rules:\n- function: main.Map[...]\n  i|"), key("rules", "i"));
        assert_eq!(
            at("rules:\n- if: a == \"{\" && b|\n"),
            value("rules", "if", "a == \"{\" && b")
        );
    }

    #[test]
    fn the_function_of_the_rule_around() {
        let text = "rules:\n- function: main.a\n  inject: {delay: 1s}\n- name: b\n  inject:\n    set:\n      x: 1\n  function: \"main.(*B).c\"\n- {function: main.d, inject: {set: {y: 2}}}\n";
        for (place, function) in [("delay", "main.a"), ("x: 1", "main.(*B).c"), ("y: 2", "main.d")] {
            let found = function_of_rule(text, text.find(place).unwrap());
            assert_eq!(found.as_deref(), Some(function), "{place}");
        }
        assert_eq!(function_of_rule("version: 1\n", 3), None);
    }
}
