//! The file itself: whether it can be read, and who else can.
//!
//! Must never know: what is in it.

use std::path::Path;

use super::limits::CONFIG_BYTES_MAX;
use super::problem::{Place, Problem, Problems};

/// Reads the file as text.
pub(super) fn read(path: &Path) -> Result<String, Problems> {
    let place = Place::Flag("--config".to_owned());
    let shown = format!("{}", path.display());
    let cannot = |why: &str, expected: &str, hint: &str| {
        let problem = Problem::new("cannot read config", &place, expected, hint);
        Problems(vec![problem.with_value(&format!("{why}: {shown}"))])
    };
    let size = std::fs::metadata(path).map(|meta| meta.len());
    if size.as_ref().is_ok_and(|size| *size > CONFIG_BYTES_MAX) {
        return Err(cannot("too large", "at most 4MiB of TOML", "name the config with -c"));
    }
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            cannot("no such file", "a TOML file", "name it with -c, or create it")
        }
        std::io::ErrorKind::PermissionDenied => {
            cannot("permission denied", "a file that this user can read", "chown or chmod it")
        }
        std::io::ErrorKind::IsADirectory => cannot("is a directory", "a TOML file", "name the file in it"),
        _ => cannot(&error.to_string(), "a TOML file", "name it with -c"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = lines_before(&error) + 1;
        let place = Place::File { name: shown.as_str().into(), line, column: 0 };
        Problems(vec![Problem::new("config is not UTF-8", &place, "UTF-8 text", "save it as UTF-8")])
    })
}

fn lines_before(error: &std::string::FromUtf8Error) -> usize {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    String::from_utf8_lossy(good).matches('\n').count()
}

/// Permissions that let others change what is run, or read what is secret.
pub(super) fn warnings(path: &Path, text: &str) -> Vec<Problem> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = std::fs::metadata(path) else { return Vec::new() };
    let mode = meta.permissions().mode();
    let place = Place::File { name: path.to_string_lossy().as_ref().into(), line: 0, column: 0 };
    let shown = format!("mode {:04o}", mode & 0o7777);
    let mut warnings = Vec::new();
    if mode & 0o002 != 0 {
        let hint = format!("chmod o-w {}", path.display());
        let what = "the config can be changed by anybody, who could run programs through it";
        warnings.push(Problem::new(what, &place, "no write permission for others", hint).with_value(&shown));
    }
    if mode & 0o004 != 0 && holds_written_secret(text) {
        let hint = format!(
            "chmod o-r {}, or take the secret from a variable: secret = \"${{VAR}}\"",
            path.display()
        );
        let what = "the config holds a secret and can be read by anybody";
        warnings.push(Problem::new(what, &place, "no read permission for others", hint).with_value(&shown));
    }
    warnings
}

/// Whether a secret or a password is written out in a file instead of coming from a variable.
fn holds_written_secret(text: &str) -> bool {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| {
        let Some((key, value)) = line.split_once('=') else { return false };
        let secret = key.trim() == "secret" || value.contains("whsec_");
        let password = value.contains("://") && value.contains('@');
        (secret || password) && !value.contains("${")
    })
}
