//! Places in the user's own code: where on a call stack it is, and how its files are named.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::event::line::Frame;

/// The folder whose code is the user's own.
#[derive(Debug)]
pub struct Workspace {
    /// What paths are told relative to.
    root: PathBuf,
    /// Modules in it, or around it: import path and folder.
    modules: Vec<(String, PathBuf)>,
    goroots: RefCell<HashMap<PathBuf, bool>>,
}

/// A place in the user's code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, relative to the workspace.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The function it is in.
    pub function: String,
}

impl Workspace {
    /// The workspace of a run in a folder. `root` is where paths start from; the folder itself if absent.
    pub fn new(folder: &Path, root: Option<&Path>) -> Workspace {
        let modules = folder
            .ancestors()
            .find_map(|folder| Some((module(folder)?, folder.to_owned())));
        let outer = root.filter(|root| root.is_absolute() && folder.starts_with(root));
        // Without another root, the whole module is the user's.
        let module_folder = modules.as_ref().map(|(_, folder)| folder.as_path());
        Workspace {
            root: outer.or(module_folder).unwrap_or(folder).to_owned(),
            modules: modules.into_iter().collect(),
            goroots: RefCell::default(),
        }
    }

    /// The workspace that GitHub names, or else the folder.
    pub fn of_environment(folder: &Path) -> Workspace {
        let root = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
        Workspace::new(folder, root.as_deref())
    }

    /// Where the user's code made a call: the innermost frame of it behind the function itself, or the
    /// function itself if that is the user's and nothing else is.
    pub fn call_site(&self, stack: &[Frame]) -> Option<Place> {
        let (function, callers) = stack.split_first()?;
        callers
            .iter()
            .chain([function])
            .find_map(|frame| self.place(frame))
    }

    /// A frame's place, if it is in the user's code.
    pub fn place(&self, frame: &Frame) -> Option<Place> {
        let file = self.own(Path::new(&frame.file))?;
        Some(Place {
            file: file.to_str()?.to_owned(),
            line: frame.line,
            function: frame.function.clone(),
        })
    }

    /// A file relative to the root, if it is one of the user's: not of the standard library, a module in the
    /// cache, or a vendored one.
    fn own(&self, file: &Path) -> Option<PathBuf> {
        // With -trimpath, files are named by the import path of their module.
        let trimmed = || {
            let (module, folder) = self.modules.iter().find(|(module, _)| file.starts_with(module))?;
            Some(folder.join(file.strip_prefix(module).ok()?))
        };
        let file = if file.is_absolute() {
            file.to_owned()
        } else {
            trimmed()?
        };
        let inside = file.strip_prefix(&self.root).ok()?.to_owned();
        let is_normal = |part: Component<'_>| matches!(part, Component::Normal(_));
        let is_foreign = inside
            .components()
            .any(|part| !is_normal(part) || part.as_os_str() == "vendor")
            || file.to_string_lossy().contains("/pkg/mod/")
            || self.is_in_goroot(&file);
        (!is_foreign).then_some(inside)
    }

    fn is_in_goroot(&self, file: &Path) -> bool {
        let Some(folder) = file.parent() else { return false };
        if let Some(known) = self.goroots.borrow().get(folder) {
            return *known;
        }
        let is_source = |folder: &&Path| folder.file_name().is_some_and(|name| name == "src");
        let is = folder.ancestors().filter(is_source).any(|source| {
            let root = source.parent();
            root.is_some_and(|root| root.join("pkg/tool").is_dir() || root.join("bin/go").is_file())
        });
        self.goroots.borrow_mut().insert(folder.to_owned(), is);
        is
    }
}

/// The import path of the module that is in a folder.
fn module(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("go.mod")).ok()?;
    let name = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("module "))?;
    let name = name.split("//").next()?.trim().trim_matches(['"', '`']);
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame {
            function: function.to_owned(),
            file: file.to_owned(),
            line,
            inlined: false,
        }
    }

    #[test]
    fn the_call_site_is_the_innermost_frame_of_the_users_code() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::write(
            root.join("go.mod"),
            "// ours\nmodule example.com/shop // it\n\ngo 1.27\n",
        )
        .expect("written");
        std::fs::create_dir_all(root.join("store/sdk/pkg/tool")).expect("made");
        let at = |path: &str| root.join(path).to_str().expect("text").to_owned();
        let stack = [
            frame("os.WriteFile", "/usr/local/go/src/os/file.go", 900),
            frame("in.the.sdk", &at("store/sdk/src/os/file.go"), 5),
            frame("x.Write", "/root/go/pkg/mod/x@v1.0.0/x.go", 4),
            frame("y.Write", &at("vendor/y/y.go"), 3),
            frame("example.com/shop/store.(*File).Put", &at("store/file.go"), 17),
            frame("main.main", &at("main.go"), 2),
        ];
        let place = |file: &str, line, function: &str| {
            Some(Place {
                file: file.to_owned(),
                line,
                function: function.to_owned(),
            })
        };
        let workspace = Workspace::new(&root.join("store"), None);
        let put = place("store/file.go", 17, "example.com/shop/store.(*File).Put");
        assert_eq!(workspace.call_site(&stack), put);
        assert_eq!(workspace.call_site(&stack[..4]), None);
        assert_eq!(workspace.call_site(&stack[5..]), place("main.go", 2, "main.main"));
        assert_eq!(workspace.call_site(&[]), None);
        let trimmed = [
            frame("os.WriteFile", "os/file.go", 900),
            frame("store.Put", "example.com/shop/store/file.go", 9),
        ];
        assert_eq!(
            workspace.call_site(&trimmed),
            place("store/file.go", 9, "store.Put")
        );
        let outer = Workspace::new(root, root.parent());
        let name = root.file_name().expect("a name").to_string_lossy();
        let file = outer.call_site(&stack).expect("a place").file;
        assert_eq!(file, format!("{name}/store/file.go"));
    }
}
