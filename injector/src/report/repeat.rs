//! The command that repeats a run.

use std::ffi::OsString;

/// How a run was asked for: what its reports say of its origin, and what repeats it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The command line: program and arguments.
    pub command_line: Vec<OsString>,
}

impl Origin {
    /// The command that repeats the run with this seed: the same command line, but `--seed` is that one.
    pub fn command(&self, seed: u64) -> Vec<String> {
        let mut arguments = self
            .command_line
            .iter()
            .map(|argument| argument.to_string_lossy());
        let mut command: Vec<String> = vec!["goinject".to_owned()];
        arguments.next();
        command.extend(arguments.next().map(String::from));
        command.extend(["--seed".to_owned(), seed.to_string()]);
        let mut is_own = true;
        while let Some(argument) = arguments.next() {
            is_own &= argument != "--";
            if is_own && argument == "--seed" {
                arguments.next();
            } else if !(is_own && argument.starts_with("--seed=")) {
                command.push(argument.into_owned());
            }
        }
        command
    }
}

/// A command of `goinject run` or `test` with other options of its own: those given take the place of any that are
/// there. An option has a value, or is a flag that is to be there or not.
pub fn with_options(command: &[String], options: &[(&str, Setting)]) -> Vec<String> {
    let own = command
        .iter()
        .position(|word| word == "--")
        .unwrap_or(command.len());
    let (own, rest) = command.split_at(own);
    let mut words = own.iter();
    let mut changed: Vec<String> = words.by_ref().take(2).cloned().collect();
    for (name, setting) in options {
        match setting {
            Setting::Value(Some(value)) => changed.extend([(*name).to_owned(), value.clone()]),
            Setting::Flag(true) => changed.push((*name).to_owned()),
            Setting::Value(None) | Setting::Flag(false) => {}
        }
    }
    while let Some(word) = words.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        match options.iter().find(|(option, _)| *option == name) {
            Some((_, Setting::Value(_))) if name == word => drop(words.next()),
            Some(_) => {}
            None => changed.push(word.clone()),
        }
    }
    changed.extend(rest.iter().cloned());
    changed
}

/// What an option is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Of this value; not there.
    Value(Option<String>),
    /// There or not.
    Flag(bool),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::in_shell;

    fn command(line: &str) -> String {
        let words = shlex::split(line).expect("a command line");
        let origin = Origin {
            command_line: words.iter().map(OsString::from).collect(),
        };
        in_shell(&origin.command(7))
    }

    #[test]
    fn options_take_the_place_of_those_that_are_there() {
        let command = shlex::split("goinject test --json e.jsonl --engine=bpf -q a.yaml -- ./... --engine x");
        let options = [
            ("--engine", Setting::Value(Some("ptrace".to_owned()))),
            ("--json", Setting::Value(None)),
            ("-q", Setting::Flag(false)),
            ("--no-github", Setting::Flag(true)),
        ];
        assert_eq!(
            in_shell(&with_options(&command.expect("words"), &options)),
            "goinject test --engine ptrace --no-github a.yaml -- ./... --engine x"
        );
    }

    #[test]
    fn a_command_is_repeated_with_its_seed() {
        assert_eq!(
            command("./target/goinject run a.yaml"),
            "goinject run --seed 7 a.yaml"
        );
        assert_eq!(
            command(
                "goinject run --seed 3 'my rules.yaml' --json e.jsonl -- go test -run 'A|B' --seed 9 ./..."
            ),
            "goinject run --seed 7 'my rules.yaml' --json e.jsonl -- go test -run 'A|B' --seed 9 ./..."
        );
        assert_eq!(
            command("goinject run a.yaml --seed=3 -- x '--seed=4'"),
            "goinject run --seed 7 a.yaml -- x '--seed=4'"
        );
    }
}
