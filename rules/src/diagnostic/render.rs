//! Diagnostics as text for people.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::inert::{inert, inert_lines};
use super::{Diagnostic, Severity};
use crate::source::{Source, Span};

/// With colours or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// Renders diagnostics with the marked lines of the file, as compilers do; one empty line between two.
pub fn render(diagnostics: &[Diagnostic], source: &Source, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let path = source.path().display().to_string();
    let path = inert(&path);
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[group(diagnostic, source, &path)]));
        text.push('\n');
    }
    text
}

/// Renders diagnostics one per line: `path:line:column: error: message`.
pub fn render_short(diagnostics: &[Diagnostic], source: &Source) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let path = source.path().display().to_string();
        let _ = write!(text, "{}:", inert(&path));
        if let Some(span) = diagnostic.span {
            let (line, column) = source.line_column(span.start);
            let _ = write!(text, "{line}:{column}:");
        }
        let _ = write!(
            text,
            " {}: {}",
            diagnostic.severity.as_str(),
            inert(&diagnostic.message)
        );
        if let Some(help) = &diagnostic.help {
            let _ = write!(text, " ({})", inert(&help.replace('\n', " ")));
        }
        text.push('\n');
    }
    text
}

fn group<'d>(diagnostic: &'d Diagnostic, source: &'d Source, path: &'d str) -> Group<'d> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(inert(&diagnostic.message));
    let mut group = match diagnostic.span {
        Some(span) => {
            let text = source.text();
            let mut primary = AnnotationKind::Primary.span(range(span, text));
            if let Some(label) = &diagnostic.label {
                primary = primary.label(inert(label));
            }
            let secondary = diagnostic.secondary.iter().map(|(span, label)| {
                AnnotationKind::Context
                    .span(range(*span, text))
                    .label(inert(label))
            });
            title.element(
                Snippet::source(text)
                    .path(path)
                    .annotation(primary)
                    .annotations(secondary),
            )
        }
        None => title.element(annotate_snippets::Origin::path(path)),
    };
    if let Some(rule) = &diagnostic.rule {
        group = group.element(Level::NOTE.message(format!("in rule {}", super::quoted(rule))));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(inert_lines(note)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(inert_lines(help)));
    }
    group
}

/// Spans come from this crate, but the text may have been exchanged: never trust them to slice.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.floor_char_boundary(span.end).max(start);
    // Of a place of many lines the first says enough.
    let line_end = text[start..end].find('\n').map_or(end, |newline| start + newline);
    start..line_end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Source, Vec<Diagnostic>) {
        let source = Source::new("größe/a.yaml", "größe: {wert: 'ä', x: 1}\nzwei: 2\n");
        let at = |word: &str| {
            let start = source.text().find(word).expect("a word of the text");
            Span {
                start,
                end: start + word.len(),
            }
        };
        let diagnostics = vec![
            Diagnostic::error("`x` is unknown")
                .at(at("x"))
                .label("unknown key")
                .also(at("größe"), "in here")
                .help("write `y`")
                .note("there are others")
                .rule("gross"),
            Diagnostic::warning("two\u{1b}[31m is odd")
                .at(at("zwei"))
                .label("\u{1b}[31m")
                .help("\u{7}")
                .note("\u{1b}"),
            Diagnostic::error("the file as a whole"),
        ];
        (source, diagnostics)
    }

    #[test]
    fn plain() {
        let (source, diagnostics) = sample();
        insta::assert_snapshot!(render(&diagnostics, &source, Style::Plain));
    }

    #[test]
    fn coloured() {
        let (source, diagnostics) = sample();
        let text = render(&diagnostics, &source, Style::Coloured);
        insta::assert_snapshot!(text.replace('\u{1b}', "␛"));
    }

    #[test]
    fn short() {
        let (source, diagnostics) = sample();
        insta::assert_snapshot!(render_short(&diagnostics, &source));
    }

    #[test]
    fn spans_of_another_text_do_not_panic() {
        let source = Source::new("a.yaml", "ä");
        for (start, end) in [(0, 99), (1, 1), (1, 99), (99, 1), (7, 7)] {
            let diagnostic = Diagnostic::error("x").at(Span { start, end });
            render(std::slice::from_ref(&diagnostic), &source, Style::Plain);
            render_short(&[diagnostic], &source);
        }
    }
}
