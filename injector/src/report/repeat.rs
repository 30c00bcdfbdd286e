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

/// A command as it can be pasted into a shell.
pub fn in_shell(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        // A word with a NUL can't be an argument in the first place.
        shlex::try_quote(word).map_or_else(|_| word.replace('\0', ""), |word| word.into_owned())
    });
    quoted.collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> String {
        let words = shlex::split(line).expect("a command line");
        let origin = Origin {
            command_line: words.iter().map(OsString::from).collect(),
        };
        in_shell(&origin.command(7))
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
