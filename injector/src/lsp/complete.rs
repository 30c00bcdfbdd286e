//! What may be written at the cursor.

use goinject_rules::source::Source;
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionList, CompletionTextEdit, Documentation, TextEdit,
};

use super::cursor::{Cursor, function_of_rule};
use super::keys::{Keys, Offer};
use super::programs::Program;
use super::text;
use crate::resolve::facts::{self, Access, Role, Value};

/// So many functions are offered at a time.
const FUNCTIONS: usize = 200;
/// Keys whose values are functions.
const OF_FUNCTIONS: [&str; 3] = ["function", "within", "callers"];

/// What is offered at an offset.
pub(super) fn offers(
    source: &Source,
    offset: usize,
    keys: &Keys,
    program: Option<&Program>,
) -> CompletionList {
    let cursor = Cursor::at(source.text(), offset);
    let page = Page {
        source,
        cursor: &cursor,
        offset,
        program,
    };
    let in_rule = cursor.path.first().is_some_and(|key| key == "rules");
    let (items, is_incomplete) = match cursor.key.as_deref() {
        Some(key) if in_rule && cursor.path.len() == 1 && OF_FUNCTIONS.contains(&key) => page.functions(),
        Some("if") if in_rule && cursor.path.len() == 1 => (page.operands(), false),
        Some(key) => (
            page.listed(
                keys.values(&cursor.path, key),
                CompletionItemKind::ENUM_MEMBER,
                "",
            ),
            false,
        ),
        None => (page.keys(keys), false),
    };
    CompletionList { is_incomplete, items }
}

struct Page<'a> {
    source: &'a Source,
    cursor: &'a Cursor,
    offset: usize,
    program: Option<&'a Program>,
}

impl Page<'_> {
    /// What is written of the word before the cursor.
    fn prefix(&self) -> &str {
        self.source
            .text()
            .get(self.cursor.word.start..self.offset)
            .unwrap_or_default()
    }

    fn item(&self, label: &str, insert: String, kind: CompletionItemKind) -> CompletionItem {
        CompletionItem {
            label: label.to_owned(),
            kind: Some(kind),
            // Editors take the word at the cursor to be shorter than it is.
            filter_text: Some(label.to_owned()),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit {
                range: text::range(self.source.text(), self.cursor.word),
                new_text: insert,
            })),
            ..CompletionItem::default()
        }
    }

    /// What YAML would not take as it is stands in quotes.
    fn quoted(&self, name: &str) -> String {
        match !self.cursor.quoted
            && name.contains(['[', '{', '*', ','])
            && (self.cursor.flow || name.contains('['))
        {
            true => format!("\"{name}\""),
            false => name.to_owned(),
        }
    }

    fn listed(&self, offers: Vec<Offer>, kind: CompletionItemKind, behind: &str) -> Vec<CompletionItem> {
        let item = |(n, offer): (usize, Offer)| CompletionItem {
            documentation: Some(Documentation::String(offer.about)),
            // In the order of the schema, which is that of importance.
            sort_text: Some(format!("{n:04}")),
            ..self.item(&offer.name, format!("{}{behind}", offer.name), kind)
        };
        offers.into_iter().enumerate().map(item).collect()
    }

    fn keys(&self, keys: &Keys) -> Vec<CompletionItem> {
        let values = match self
            .cursor
            .path
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            ["rules", "inject", "set"] => {
                self.values(|role, value| role != Role::Receiver || value.access == Access::Set)
            }
            ["rules", "inject", "return"] => self.values(|role, _| role == Role::Result),
            _ => return self.listed(keys.of(&self.cursor.path), CompletionItemKind::PROPERTY, ": "),
        };
        let behind = if self.cursor.quoted { "" } else { ": " };
        let item = |(n, value): (usize, Value)| CompletionItem {
            detail: Some(value.type_name.clone()),
            documentation: Some(Documentation::String(role_words(value.role).to_owned())),
            sort_text: Some(format!("{n:04}")),
            ..self.item(
                &value.path,
                format!("{}{behind}", self.quoted(&value.path)),
                CompletionItemKind::VARIABLE,
            )
        };
        values.into_iter().enumerate().map(item).collect()
    }

    /// Receiver, parameters and results of the rule's function, with their fields.
    fn values(&self, wanted: impl Fn(Role, &Value) -> bool) -> Vec<Value> {
        let facts = self.program.and_then(|program| {
            let name = function_of_rule(self.source.text(), self.offset)?;
            facts::named(&program.binary, &name)
        });
        let Some(function) = facts.and_then(|named| named.functions.into_iter().next()) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        let mut fields = Vec::new();
        for mut value in function.values {
            fields.append(&mut value.fields);
            values.push(value);
        }
        values.append(&mut fields);
        values.retain(|value| value.access != Access::Neither && wanted(value.role, value));
        values
    }

    /// What a condition may compare: the path before the cursor is replaced, and not the whole condition.
    fn operands(&self) -> Vec<CompletionItem> {
        let before = self.prefix();
        let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
        let start = before
            .rfind(|c| !is_path(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let range = goinject_rules::source::Span {
            start: self.cursor.word.start + start,
            end: self.offset,
        };
        let item = |(n, value): (usize, Value)| CompletionItem {
            label: value.path.clone(),
            kind: Some(CompletionItemKind::VARIABLE),
            detail: Some(value.type_name.clone()),
            documentation: Some(Documentation::String(role_words(value.role).to_owned())),
            sort_text: Some(format!("{n:04}")),
            filter_text: Some(value.path.clone()),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit {
                range: text::range(self.source.text(), range),
                new_text: value.path,
            })),
            ..CompletionItem::default()
        };
        self.values(|_, _| true)
            .into_iter()
            .enumerate()
            .map(item)
            .collect()
    }

    /// Functions of the program, its own module first. Only so many: more come as more is written.
    fn functions(&self) -> (Vec<CompletionItem>, bool) {
        let Some(program) = self.program else {
            return (Vec::new(), false);
        };
        let wanted = self.prefix().to_lowercase();
        let fitting = program
            .targets()
            .iter()
            .filter(|name| name.to_lowercase().contains(&wanted));
        let mut names: Vec<&String> = fitting.take(FUNCTIONS + 1).collect();
        let is_incomplete = names.len() > FUNCTIONS;
        names.truncate(FUNCTIONS);
        let item = |(n, name): (usize, &&String)| {
            let function = program.binary.functions().find(name).into_iter().next();
            CompletionItem {
                detail: function.and_then(|function| facts::declared(&program.binary, &function)),
                sort_text: Some(format!("{}{n:04}", if program.is_own(name) { 'a' } else { 'b' })),
                ..self.item(name, self.quoted(name), CompletionItemKind::FUNCTION)
            }
        };
        (names.iter().enumerate().map(item).collect(), is_incomplete)
    }
}

pub(super) fn role_words(role: Role) -> &'static str {
    match role {
        Role::Receiver => "receiver, set when the function begins",
        Role::Parameter => "parameter, set when the function begins",
        Role::Result => "result, set when the function returns",
    }
}
