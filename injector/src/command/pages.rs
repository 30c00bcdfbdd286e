//! `goinject completions` and `goinject man`: what shells and manuals say of the command line, made from its definition.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::{fail, write_out};
use crate::cli::{Cli, Man};
use crate::error::ExitCode;

/// Prints what a shell reads to complete the command line.
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "goinject", &mut script);
    write_out(&String::from_utf8_lossy(&script));
    ExitCode::Met
}

/// Prints a manual page, or writes all of them.
pub fn man(arguments: &Man) -> ExitCode {
    if let Some(folder) = &arguments.out {
        return match write_all(folder) {
            Ok(()) => ExitCode::Met,
            Err(error) => fail(
                ExitCode::Invalid,
                format!("cannot write manual pages into {}: {error}", folder.display()),
            ),
        };
    }
    let wanted = match &arguments.command {
        None => "goinject".to_owned(),
        Some(command) => format!("goinject-{command}"),
    };
    let pages = pages();
    match pages.iter().find(|page| page.name == wanted) {
        Some(page) => {
            write_out(&page.text);
            ExitCode::Met
        }
        None => {
            let known: Vec<&str> = pages
                .iter()
                .filter_map(|page| page.name.strip_prefix("goinject-"))
                .collect();
            fail(
                ExitCode::Invalid,
                format!("there is no such command; known are {}", known.join(", ")),
            )
        }
    }
}

/// A manual page of section 1.
struct ManualPage {
    /// What it is found by: `goinject-run`.
    name: String,
    text: String,
}

fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for page in pages() {
        fs::write(folder.join(format!("{}.1", page.name)), page.text)?;
    }
    Ok(())
}

/// The page of goinject, and one of each command that people type.
fn pages() -> Vec<ManualPage> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let commands = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned();
    std::iter::once(root.clone()).chain(commands).map(page).collect()
}

fn page(command: clap::Command) -> ManualPage {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let mut text = Vec::new();
    Page::new(command)
        .source(concat!("goinject ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands")
        .render(&mut text)
        .expect("a vector takes all that is written to it");
    ManualPage {
        name,
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands that people type, each with its options.
    fn commands() -> Vec<(String, Vec<String>)> {
        let root = Cli::command();
        let typed = root.get_subcommands().filter(|command| !command.is_hide_set());
        typed
            .map(|command| {
                let options = command.get_arguments().filter(|option| !option.is_hide_set());
                let options = options.filter_map(|option| option.get_long());
                (
                    command.get_name().to_owned(),
                    options.map(str::to_owned).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn each_command_has_a_page_with_all_its_options() {
        let pages = pages();
        assert_eq!(pages.len(), commands().len() + 1);
        for (command, options) in commands() {
            let name = format!("goinject-{command}");
            let page = pages.iter().find(|page| page.name == name).expect("a page");
            for option in options {
                let written = format!("\\-\\-{}", option.replace('-', "\\-"));
                assert!(page.text.contains(&written), "{name}: --{option}");
            }
        }
    }

    #[test]
    fn each_shell_completes_all_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "goinject", &mut script);
            let script = String::from_utf8(script).expect("text");
            for option in commands().iter().flat_map(|(_, options)| options) {
                assert!(script.contains(option), "{shell}: --{option}");
            }
        }
    }

    #[test]
    fn what_goinject_starts_itself_has_no_page() {
        let root = Cli::command();
        let pages = pages();
        for hidden in root.get_subcommands().filter(|command| command.is_hide_set()) {
            let name = format!("goinject-{}", hidden.get_name());
            assert!(pages.iter().all(|page| page.name != name), "{name}");
            let listed = name.replace('-', "\\-");
            assert!(!pages[0].text.contains(&listed), "{name}");
        }
    }
}
