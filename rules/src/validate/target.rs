//! The program under test.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{Fields, Meaning, Node, Reader};
use crate::model::{Command, Container, ProgramPattern, Target};
use crate::source::Spanned;
use crate::validate::keys;

const COMMAND_EXAMPLE: &str = "write a list: `command: [./shop, -addr, \"127.0.0.1:8080\"]`";

/// Reads `target`: what to start or attach to, and `follow`.
pub(super) fn target(reader: &mut Reader<'_>, node: &Node) -> (Option<Target>, Option<bool>) {
    let Some(fields) = reader.fields(node, &keys::TARGET) else {
        return (None, None);
    };
    let follow = fields.get("follow").and_then(|node| follow(reader, node));
    (start(reader, &fields), follow)
}

fn follow(reader: &mut Reader<'_>, node: &Node) -> Option<bool> {
    let help = "write `follow: true` for all processes that the target starts, or `follow: false`";
    boolean(reader, node, "`follow`", help)
}

fn boolean(reader: &mut Reader<'_>, node: &Node, key: &str, help: &str) -> Option<bool> {
    match node.scalar().map(|scalar| &scalar.meaning) {
        Some(Meaning::Bool(value)) if node.tag.is_none() => Some(*value),
        _ => {
            reader.report(
                node.error(format!("{key} must be `true` or `false`"))
                    .label("expected a boolean")
                    .help(help),
            );
            None
        }
    }
}

/// Reads `program` of a rule.
pub(super) fn program(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<ProgramPattern>> {
    const EXAMPLE: &str =
        "write a file name or a glob: `program: shop`, `program: \"*.test\"`, `program: \"/opt/**/shop\"`";
    let text = reader.text(node, "`program`", EXAMPLE)?;
    match ProgramPattern::new(&text.value) {
        Ok(pattern) => Some(Spanned::new(pattern, text.span)),
        Err(error) => {
            let finding = node.error(format!("`program`: {error}"));
            reader.report(finding.label("not a glob").help(EXAMPLE));
            None
        }
    }
}

fn start(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Target> {
    let given = ["command", "pid", "container"].map(|key| Some((key, fields.get(key)?)));
    let given: Vec<(&str, &Node)> = given.into_iter().flatten().collect();
    if let [(first, _), (second, node), ..] = given[..] {
        reader.report(
            node.error(format!("`target` has both `{first}` and `{second}`"))
                .label("the second target")
                .help("keep `command` to start a program, `pid` or `container` to attach to what runs"),
        );
        return None;
    }
    let kind = given.first().map(|(key, _)| *key);
    for (key, owner) in [("dir", "command"), ("env", "command"), ("all", "container")] {
        if let (Some(span), Some(kind)) = (fields.key_span(key), kind)
            && kind != owner
        {
            let what = match owner {
                "command" => format!("`{key}` can't be given to a process that runs already"),
                _ => format!("`{key}` is about the processes of a container"),
            };
            reader.report(
                Diagnostic::error(what)
                    .at(span)
                    .label(format!("only with `{owner}`"))
                    .help(format!("remove `{key}`")),
            );
        }
    }
    match given[..] {
        [("command", node)] => command(reader, node, fields).map(Target::Command),
        [("pid", node)] => pid(reader, node).map(Target::Pid),
        [(_, node)] => container(reader, node, fields).map(Target::Container),
        _ => {
            // The command line names the target then.
            if !fields.is_complete() || fields.get("follow").is_some() || fields.get("all").is_some() {
                return None;
            }
            let finding = Diagnostic::error("`target` has neither `command` nor `pid` nor `container`");
            reader.report(finding.at(fields.head()).help(COMMAND_EXAMPLE));
            None
        }
    }
}

fn container(reader: &mut Reader<'_>, node: &Node, fields: &Fields<'_>) -> Option<Container> {
    const EXAMPLE: &str =
        "write a container's name or id, `container: web`, or a pod, `container: NAMESPACE/POD/CONTAINER`";
    let name = reader.text(node, "`container`", EXAMPLE)?;
    let all = fields.get("all").and_then(|node| all(reader, node));
    let parts: Vec<&str> = name.value.split('/').collect();
    let is_name = |part: &&str| !part.is_empty() && !part.contains(char::is_whitespace);
    if name.value.contains("://") || (parts.len() <= 3 && parts.iter().all(is_name)) {
        let all = all.unwrap_or_default();
        return Some(Container { name, all });
    }
    reader.report(
        node.error(format!("{} is no container", quoted(&name.value)))
            .label("neither a name nor a pod")
            .help(EXAMPLE),
    );
    None
}

fn all(reader: &mut Reader<'_>, node: &Node) -> Option<bool> {
    let help = "write `all: true` for every process of the container, also those that appear later, or `all: false` for the only one";
    boolean(reader, node, "`all`", help)
}

fn pid(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<i32>> {
    let pid = reader.whole(node, "`pid`", 1..=i128::from(i32::MAX))?;
    Some(Spanned::new(i32::try_from(pid).ok()?, node.span))
}

fn command(reader: &mut Reader<'_>, node: &Node, fields: &Fields<'_>) -> Option<Command> {
    let dir = fields.get("dir").and_then(|node| {
        let dir = reader.text(node, "`dir`", "write a folder")?;
        Some(dir.map(|dir| resolve(reader.source().folder(), &dir)))
    });
    let env = fields
        .get("env")
        .and_then(|node| environment(reader, node))
        .unwrap_or_default();
    if let Some(line) = node.scalar().filter(|_| !node.is_null() && node.tag.is_none()) {
        let words: Vec<String> = line.text.split_whitespace().map(flow_item).collect();
        let help = format!("no shell splits it: write `command: [{}]`", words.join(", "));
        reader.report(
            node.error("`command` must be a list")
                .label("one text")
                .help(help),
        );
        return None;
    }
    let items = reader.list(node, "`command`", COMMAND_EXAMPLE)?;
    let words: Vec<Option<Spanned<String>>> = items.iter().map(|item| word(reader, item)).collect();
    let mut words = words.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
    let Some(program) = words.next().filter(|program| !program.is_empty()) else {
        let finding = node.error("`command` names no program");
        reader.report(finding.label("empty").help(COMMAND_EXAMPLE));
        return None;
    };
    let folder = reader.source().folder();
    let program = program.map(|program| {
        if program.contains('/') {
            resolve(folder, &program)
        } else {
            program.into()
        }
    });
    Some(Command {
        program,
        arguments: words.map(|word| word.value).collect(),
        dir,
        env,
    })
}

/// An item of a list in brackets, quoted where it must be.
fn flow_item(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_' | '-' | '=' | '+');
    let starts_plain = word.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_'))
        || (word.starts_with('-') && word.len() > 1);
    if starts_plain && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("\"{word}\"")
    }
}

/// A word of the command: numbers and booleans count as the text they are written as.
fn word(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<String>> {
    let Some(scalar) = node.scalar().filter(|_| node.tag.is_none() && !node.is_null()) else {
        reader.mismatch(
            node,
            "a word of `command`",
            "text",
            "write the word, or `\"\"` for an empty one",
        );
        return None;
    };
    if scalar.text.contains('\0') {
        reader.report(
            node.error("a word of a command can't have a zero byte")
                .help("remove `\\0`"),
        );
        return None;
    }
    Some(Spanned::new(scalar.text.clone(), node.span))
}

fn environment(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, String)>> {
    let entries = reader.variables(node, "`env`", "write `env: {NAME: value}`")?;
    let mut env = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        if key.is_empty() || key.contains(['=', '\0']) {
            let finding = Diagnostic::error(format!("{} can't be the name of a variable", quoted(key.value)));
            reader.report(finding.at(key.span).help("write `NAME: value`"));
            continue;
        }
        match node.scalar().filter(|_| node.tag.is_none() && !node.is_null()) {
            Some(scalar) if scalar.text.contains('\0') => {
                reader.report(
                    node.error("a variable can't have a zero byte")
                        .help("remove `\\0`"),
                );
            }
            Some(scalar) => env.push((key.value.to_owned(), scalar.text.clone())),
            None => {
                let help = format!("write `{}: \"\"` for an empty one", key.value);
                reader.mismatch(node, &quoted(key.value), "text", help);
            }
        }
    }
    Some(env)
}

/// Paths in a rule file start from its folder.
fn resolve(folder: &Path, path: &str) -> PathBuf {
    let path = Path::new(path);
    if folder == Path::new(".") {
        path.to_owned()
    } else {
        folder.join(path.strip_prefix(".").unwrap_or(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_from_the_folder_of_the_file() {
        assert_eq!(resolve(Path::new("."), "./shop"), Path::new("./shop"));
        assert_eq!(
            resolve(Path::new("examples/shop"), "./shop"),
            Path::new("examples/shop/shop")
        );
        assert_eq!(
            resolve(Path::new("examples"), "../bin/shop"),
            Path::new("examples/../bin/shop")
        );
        assert_eq!(
            resolve(Path::new("examples"), "/bin/shop"),
            Path::new("/bin/shop")
        );
    }

    #[test]
    fn words_are_quoted_where_yaml_asks_for_it() {
        assert_eq!(flow_item("./shop"), "./shop");
        assert_eq!(flow_item("-addr"), "-addr");
        assert_eq!(flow_item("a:1"), "\"a:1\"");
        assert_eq!(flow_item("-"), "\"-\"");
    }
}
