//! Text for people: columns, counts with their noun, paths as one would type them; and nothing in it that a terminal
//! would obey, wherever it came from.

use std::borrow::Cow;
use std::path::Path;

pub use goinject_rules::diagnostic::{inert, inert_lines};

/// Rows in columns that start where the widest cell before them ends; no blanks at the ends of lines.
pub fn columns<const N: usize>(rows: &[[String; N]], indent: &str) -> String {
    aligned(rows, indent, [false; N])
}

/// The same with some columns flush right, as numbers are.
pub fn aligned<const N: usize>(rows: &[[String; N]], indent: &str, right: [bool; N]) -> String {
    let rows: Vec<[Cow<'_, str>; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| inert(cell)))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (column, cell) in row.iter().enumerate().filter(|(column, _)| widths[*column] > 0) {
            if line.len() > indent.len() {
                line.push_str("  ");
            }
            let padding = " ".repeat(widths[column] - cell.chars().count());
            if right[column] {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1 site`, `2 sites`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A path as one would type it here: from the current folder on where it is in there, and what
/// `/proc/PID/exe` stands for.
pub fn path(path: &Path) -> String {
    let linked = path
        .starts_with("/proc")
        .then(|| std::fs::read_link(path).ok())
        .flatten();
    let path = linked.as_deref().unwrap_or(path);
    // In the root folder all paths are as long as they can be.
    let here = std::env::current_dir()
        .ok()
        .filter(|here| here.parent().is_some());
    match here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned)) {
        Some(inside) if inside.components().count() == 1 => {
            inert(&format!("./{}", inside.display())).into_owned()
        }
        Some(inside) => inert(&inside.display().to_string()).into_owned(),
        None => inert(&path.display().to_string()).into_owned(),
    }
}

/// A command as it can be pasted into a shell.
pub fn in_shell(command: &[String]) -> String {
    let quoted = command.iter().map(|word| match shlex::try_quote(word) {
        Ok(quoted) if inert(word) == *word => quoted.into_owned(),
        _ => by_bytes(word),
    });
    quoted.collect::<Vec<String>>().join(" ")
}

/// A word with characters that a terminal or the reader of a log would obey, in the form of bash, ksh, zsh and POSIX 2024.
fn by_bytes(word: &str) -> String {
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            // No argument has one.
            '\0' => {}
            '\n' => quoted.push_str("\\n"),
            '\\' | '\'' => quoted.extend(['\\', c]),
            c if inert(c.encode_utf8(&mut [0; 4])).len() == c.len_utf8() => quoted.push(c),
            c => {
                let octal = |byte: &u8| format!("\\{byte:03o}");
                quoted.extend(c.encode_utf8(&mut [0; 4]).as_bytes().iter().map(octal));
            }
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_one_types_them() {
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(path(&here.join("shop")), "./shop");
        assert_eq!(path(&here.join("bin/shop")), "bin/shop");
        assert_eq!(path(Path::new("/nonexistent/shop")), "/nonexistent/shop");
        assert!(!path(Path::new("/proc/self/exe")).starts_with("/proc"));
    }

    #[test]
    fn commands_can_be_pasted_and_obeyed_by_nothing_else() {
        let words = ["sh", "-c", "a\nb'\\\u{1b}[2J\u{202e}é", "it's", "\t"].map(str::to_owned);
        let command = in_shell(&words);
        assert_eq!(command, r#"sh -c $'a\nb\'\\\033[2J\342\200\256é' "it's" $'\011'"#);
        let mut bash = std::process::Command::new("bash");
        let said = bash
            .args(["-c", &format!("printf '%s|' {command}")])
            .output()
            .expect("bash");
        assert_eq!(
            String::from_utf8_lossy(&said.stdout),
            words.map(|word| word + "|").concat()
        );
    }

    #[test]
    fn cells_stay_on_their_line() {
        let rows = [["x\ngoinject: all is well\u{1b}[2J", "1"].map(str::to_owned)];
        assert_eq!(columns(&rows, ""), "x\\ngoinject: all is well\\u{1b}[2J  1\n");
        assert_eq!(path(Path::new("/nonexistent/a\nb")), "/nonexistent/a\\nb");
    }

    #[test]
    fn columns_line_up() {
        let rows = [["rule", "calls", ""], ["größer", "12", "ok"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            aligned(&rows, "", [false, true, false]),
            "rule    calls\ngrößer     12  ok\n"
        );
        assert_eq!(columns(&rows, "  "), "  rule    calls\n  größer  12     ok\n");
    }
}
