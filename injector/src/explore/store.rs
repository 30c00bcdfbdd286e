//! The folder `.goinject`: state that an exploration goes on from, rule files of findings, results.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::results::{Exploration, Result as Tried};

/// The folder of an exploration.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    state: File,
}

/// What state is about: another command's is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The version of goinject.
    goinject: String,
    /// What is explored.
    command: Vec<String>,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be written.
    #[error("cannot write in {}: {source}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to go on from.
    #[error("{}: {why}: start without `--resume`", .file.display())]
    NoState {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another goinject is at work in it.
    #[error("{} is in use by another goinject: wait for it, or choose another folder with `--out`", .0.display())]
    InUse(PathBuf),
}

impl Store {
    /// Opens the folder, with what was tried before where that is asked for.
    pub fn open(
        folder: &Path,
        command: &[String],
        resume: bool,
    ) -> Result<(Store, BTreeMap<String, Tried>), StoreError> {
        let failed = |source| StoreError::Io {
            folder: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(failed)?;
        }
        let file = folder.join("state.jsonl");
        let head = Head {
            goinject: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_vec(),
        };
        let before = match resume {
            true => read(&file, &head)?,
            false => BTreeMap::new(),
        };
        let mut state = File::options()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(failed)?;
        state
            .try_lock()
            .map_err(|_| StoreError::InUse(folder.to_owned()))?;
        // Written anew, so that a line that breaks off is not written on.
        state.set_len(0).map_err(failed)?;
        write_line(&mut state, &head).map_err(failed)?;
        for tried in before.values() {
            write_line(&mut state, tried).map_err(failed)?;
        }
        let store = Store {
            folder: folder.to_owned(),
            state,
        };
        super::trial::remove_left(&store.work()).map_err(failed)?;
        // Those of an earlier exploration, which may be mended by now.
        match fs::remove_dir_all(store.rules()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok((store, before)),
        }
    }

    /// Where trials have their folders, and test binaries are.
    pub fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Where rule files of findings are.
    pub fn rules(&self) -> PathBuf {
        self.folder.join("rules")
    }

    /// Notes what came of a fault.
    pub fn add(&mut self, tried: &Tried) -> io::Result<()> {
        write_line(&mut self.state, tried)
    }

    /// Writes the rule file of a finding.
    pub fn write_rule(&self, id: &str, text: &str) -> io::Result<PathBuf> {
        fs::create_dir_all(self.rules())?;
        let file = self.rules().join(format!("{id}.yaml"));
        fs::write(&file, text)?;
        Ok(file)
    }

    /// Writes the results, all or nothing.
    pub fn write_results(&self, exploration: &Exploration) -> io::Result<PathBuf> {
        let file = self.folder.join("explore.json");
        let mut json = serde_json::to_vec_pretty(exploration).expect("results have only string keys");
        json.push(b'\n');
        let unfinished = self.folder.join("explore.json.new");
        fs::write(&unfinished, json)?;
        fs::rename(&unfinished, &file)?;
        Ok(file)
    }

    /// Removes what only trials needed.
    pub fn clean(&self) {
        // What can't be removed harms nobody: the next exploration writes over it.
        let _ = fs::remove_dir_all(self.work());
    }
}

fn write_line(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_vec(line).expect("state has only string keys");
    json.push(b'\n');
    file.write_all(&json)
}

fn read(path: &Path, head: &Head) -> Result<BTreeMap<String, Tried>, StoreError> {
    let bad = |why: String| StoreError::NoState {
        file: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(|error| bad(error.to_string()))?;
    let mut lines = BufReader::new(file).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let found: Head =
        serde_json::from_str(&first).map_err(|_| bad("it is not of an exploration".to_owned()))?;
    if found.command != head.command {
        let command = crate::words::inert(&found.command.join(" ")).into_owned();
        return Err(bad(format!("it is of `{command}`")));
    }
    if found.goinject != head.goinject {
        return Err(bad(format!("it was written by goinject {}", found.goinject)));
    }
    // The last line may break off.
    let tried = lines.filter_map(|line| serde_json::from_str::<Tried>(&line).ok());
    Ok(tried.map(|tried| (tried.fault.clone(), tried)).collect())
}

/// Reads a baseline.
pub fn read_baseline(path: &Path) -> Result<Exploration, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: not an explore.json: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::class::Class;

    #[test]
    fn state_is_gone_on_from_even_where_it_breaks_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let command = ["go".to_owned(), "test".to_owned()];
        let tried = Tried {
            fault: "a-once".to_owned(),
            function: "os.Open".to_owned(),
            caller: None,
            mode: crate::explore::rule_text::Mode::Once,
            test: None,
            subject: "shop".to_owned(),
            class: Class::Reported,
            runs: 1,
            finding_id: None,
            finding: None,
            words: String::new(),
        };
        let (mut store, before) = Store::open(folder.path(), &command, false).expect("opened");
        assert!(before.is_empty());
        store.add(&tried).expect("written");
        assert!(matches!(
            Store::open(folder.path(), &command, true),
            Err(StoreError::InUse(_))
        ));
        store.state.write_all(b"{\"fault\": \"b-on").expect("written");
        drop(store);
        let (store, before) = Store::open(folder.path(), &command, true).expect("opened");
        assert_eq!(before.into_values().collect::<Vec<_>>(), [tried]);
        drop(store);
        let other = ["go".to_owned(), "vet".to_owned()];
        assert!(matches!(
            Store::open(folder.path(), &other, true),
            Err(StoreError::NoState { .. })
        ));
    }
}
