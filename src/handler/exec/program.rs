//! Finding the file to run.
//!
//! Owns: the search in `PATH`, and what makes a file a program. Must never know: jobs. Called by `options`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// The absolute path of a program: as it is, from `cwd` when it has a `/`, else from our own `PATH` (not the
/// process's, which may see another or none).
pub(super) fn find(name: &str, cwd: Option<&Path>) -> Result<PathBuf, String> {
    let shown = name.escape_debug();
    let path = Path::new(name);
    if name.is_empty() {
        return Err("the program's name is empty".into());
    }
    if !name.contains('/') {
        let places = std::env::var_os("PATH").unwrap_or_default();
        let mut found =
            std::env::split_paths(&places).filter(|dir| dir.is_absolute()).map(|dir| dir.join(path));
        return found
            .find(|file| problem(file).is_none())
            .ok_or_else(|| format!("\"{shown}\" was not found in PATH"));
    }
    let file = if path.is_absolute() {
        path.to_owned()
    } else {
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(format!("\"{shown}\" leaves the directory it starts from: write an absolute path"));
        }
        let base = cwd.map_or_else(std::env::current_dir, std::path::absolute);
        base.map_err(|error| format!("\"{shown}\": the working directory is gone: {error}"))?.join(path)
    };
    match problem(&file) {
        None => Ok(file),
        Some(problem) => Err(format!("{} {problem}", file.display())),
    }
}

fn problem(file: &Path) -> Option<String> {
    match std::fs::metadata(file) {
        Ok(meta) if !meta.is_file() => Some("is not a file".into()),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Some("is not executable (chmod +x)".into()),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("does not exist".into()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
