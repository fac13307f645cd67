//! The options of handlers that run a subprocess.
//!
//! Must never know: how a process is started.

use std::path::PathBuf;

use super::super::Base;
use super::super::limits as at;
use super::super::problem::{Problems, shown};
use super::super::read::Section;
use super::super::secret::HIDDEN;
use super::super::target;

/// A subprocess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecHandler {
    /// Program and arguments as written; `{{id}}` and its like only as whole arguments after `--`.
    pub argv: Vec<String>,
    /// The program's file; empty if it was not looked for ([`crate::config::Need::Connection`]).
    pub program: PathBuf,
    /// Names of the variables that it is given.
    pub env: Vec<String>,
    /// Its directory, absolute.
    pub cwd: PathBuf,
}

pub(super) fn read(section: &Section<'_>, base: &Base<'_>, problems: &mut Problems) -> Option<ExecHandler> {
    read_of(section, section, base, problems)
}

/// The same for a program that is named in a table of its own, `place`, below the one with the options.
pub(super) fn read_of(
    place: &Section<'_>,
    section: &Section<'_>,
    base: &Base<'_>,
    problems: &mut Problems,
) -> Option<ExecHandler> {
    let cwd = target::normal(&base.directory.join(section.maybe_text("cwd").unwrap_or_default()));
    if section.has("cwd") && !section.is_bad("cwd") && base.programs && !cwd.is_dir() {
        problems.push(section.problem(
            "cwd",
            "is no directory",
            "a directory that exists",
            "relative paths start at the config file's directory",
        ));
    }
    let env = section.texts("env");
    for name in &env {
        let first_fits = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first_fits || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let what = format!(
                "holds {:?}, which is no name of a variable",
                shown(name.split('=').next().unwrap_or_default())
            );
            let hint = "only names stand here; the values are those of bullock's own environment";
            let problem = section.problem("env", &what, "names such as [\"PATH\", \"HOME\"]", hint);
            // Whoever writes NAME=value here has written a value that may be secret.
            problems.push(problem.with_value(HIDDEN));
        }
    }
    if place.is_bad("exec") {
        return None;
    }
    let argv = place.texts("exec");
    let expected = "[\"program\", \"argument\", …]";
    if argv.is_empty() || argv.len() > at::EXEC_ARGS_MAX {
        problems.push(place.problem(
            "exec",
            "has a bad number of entries",
            expected,
            "write the program and its arguments",
        ));
        return None;
    }
    let path_var = base.vars.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let program = target::check_arguments(&argv).and_then(|()| {
        let found = target::find_program(&argv[0], &base.directory, &cwd, path_var);
        if base.programs { found } else { Ok(found.unwrap_or_default()) }
    });
    match program {
        Ok(program) => Some(ExecHandler { argv, program, env, cwd }),
        Err((fault, hint)) => {
            problems.push(place.problem("exec", &fault, expected, hint));
            None
        }
    }
}
