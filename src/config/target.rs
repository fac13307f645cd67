//! What a handler calls: URLs, subprocesses, and the few templates that may stand in them.
//!
//! Owns: the rules of what may be written. Must never know: HTTP clients, processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};

use url::{Host, Url};

/// Variables that templates may name.
pub const TEMPLATE_VARIABLES: &[&str] = &["queue", "id", "name"];

/// Where an HTTP handler posts to. `{{id}}` and its like still stand in path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `http://` or `https://`.
    Tcp {
        /// The URL as it was written.
        url: String,
    },
    /// HTTP over a unix socket.
    Unix {
        /// The socket.
        socket: PathBuf,
        /// Path and query of the request, beginning with `/`.
        path: String,
    },
}

/// What is wrong, and what to do.
pub(super) type Fault = (String, String);

fn fault<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, Fault> {
    Err((what.into(), hint.into()))
}

/// Reads a target.
pub(super) fn parse_target(text: &str, allow_private: bool) -> Result<Target, Fault> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return fault("has no scheme", "begin it with http://, https:// or unix://");
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if text[..text.len() - rest.len() + authority_end].contains("{{") {
        let hint = "a job must not choose where its request goes; templates stand in path and query";
        return fault("has a template in scheme or host", hint);
    }
    check_template(text)?;
    match scheme {
        "http" | "https" => {}
        "unix" => return unix_target(rest),
        _ => {
            let what = format!("has the scheme {}://", super::problem::shown(scheme));
            return fault(what, "begin it with http://, https:// or unix://");
        }
    }
    // The letters of a variable are harmless everywhere a value can stand.
    let plain = text.replace("{{", "").replace("}}", "");
    let url = match Url::parse(&plain) {
        Ok(url) => url,
        Err(error) => {
            return fault(format!("is no URL: {error}"), "write it as in http://127.0.0.1:3000/jobs");
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "put it in headers = { authorization = \"Basic ${APP_BASIC}\" }";
        return fault("holds a user or password", hint);
    }
    if url.fragment().is_some() {
        return fault("holds a fragment", "a fragment (#…) is never sent; delete it, or write # as %23");
    }
    if !allow_private && url.host().is_some_and(|host| is_metadata(&host)) {
        let hint = "such addresses hand out the machine's credentials; allow_private = true lifts this rule";
        return fault("is a link-local or metadata address", hint);
    }
    Ok(Target::Tcp { url: text.to_owned() })
}

fn unix_target(rest: &str) -> Result<Target, Fault> {
    if !rest.starts_with('/') {
        return fault("has no absolute path", "write three slashes, as in unix:///run/app.sock/jobs");
    }
    if rest.contains('#') {
        return fault("holds a fragment", "a fragment (#…) is never sent; delete it, or write # as %23");
    }
    // The one way to tell where the socket ends: its name does.
    let Some(end) = rest.find(".sock").map(|at| at + ".sock".len()) else {
        return fault("names no socket", "the socket's name ends in .sock, as in unix:///run/app.sock/jobs");
    };
    let (socket, path) = rest.split_at(end);
    if socket.contains("{{") {
        return fault(
            "has a template in the socket's path",
            "templates stand in path and query of the request",
        );
    }
    if !path.is_empty() && !path.starts_with(['/', '?']) {
        return fault("names no socket", "the socket's name ends in .sock, as in unix:///run/app.sock/jobs");
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Target::Unix { socket: socket.into(), path })
}

/// Addresses where clouds keep their metadata, in every notation that the URL rules know, and their names.
fn is_metadata(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => is_metadata_v4(*ip),
        Host::Ipv6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_metadata_v4(ip),
            None => ip.is_unicast_link_local() || *ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        },
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("metadata.google.internal")
                || name.parse().is_ok_and(|ip: IpAddr| matches!(ip, IpAddr::V4(ip) if is_metadata_v4(ip)))
        }
    }
}

fn is_metadata_v4(ip: Ipv4Addr) -> bool {
    ip.is_link_local() || ip == Ipv4Addr::new(100, 100, 100, 200)
}

/// Whether all `{{…}}` in a text are whole and known.
pub(super) fn check_template(text: &str) -> Result<(), Fault> {
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let Some((name, after)) = rest[at + 2..].split_once("}}") else {
            return fault("has {{ without }}", "close it, or write a single brace");
        };
        if !TEMPLATE_VARIABLES.contains(&name) {
            let known: Vec<String> =
                TEMPLATE_VARIABLES.iter().map(|name| format!("{{{{{name}}}}}")).collect();
            let what = format!("names an unknown variable {{{{{}}}}}", super::problem::shown(name));
            return fault(what, format!("known are {}; a job's data is in the body", known.join(", ")));
        }
        rest = after;
    }
    Ok(())
}

/// Whether the arguments of a subprocess are free of ways for a job to become an option of the program.
pub(super) fn check_arguments(argv: &[String]) -> Result<(), Fault> {
    for (index, argument) in argv.iter().enumerate() {
        if argument.contains('\0') {
            return fault("holds a NUL character", "no argument can hold one");
        }
        if !argument.contains("{{") {
            continue;
        }
        check_template(argument)?;
        let whole = TEMPLATE_VARIABLES.iter().any(|name| *argument == format!("{{{{{name}}}}}"));
        if !whole {
            return fault(
                "has a template inside an argument",
                "a template is an argument of its own: [\"node\", \"job.js\", \"--\", \"{{id}}\"]",
            );
        }
        if !argv[..index].iter().any(|earlier| earlier == "--") {
            return fault(
                "has a template that could be read as an option",
                "put \"--\" before it: [\"node\", \"job.js\", \"--\", \"{{id}}\"]",
            );
        }
    }
    Ok(())
}

/// The file of a program: a path is taken from `cwd` and must stay below `base` unless it is absolute, a bare name is
/// looked for in the directories of `path_var`.
pub(super) fn find_program(program: &str, base: &Path, cwd: &Path, path_var: &str) -> Result<PathBuf, Fault> {
    if program.is_empty() {
        return fault("has an empty program", "write the program first");
    }
    if !program.contains('/') {
        let found = path_var.split(':').filter(|dir| !dir.is_empty()).map(|dir| Path::new(dir).join(program));
        let Some(file) = found.into_iter().find(|file| is_executable(file)) else {
            return fault("names a program that is not on PATH", "install it, or write its path");
        };
        return Ok(file);
    }
    let file = normal(&cwd.join(program));
    if !Path::new(program).is_absolute() && !file.starts_with(normal(base)) {
        return fault("leads out of the config's directory", "write an absolute path");
    }
    if !file.exists() {
        return fault(
            "names a file that does not exist",
            "paths are relative to cwd, which is the config file's directory unless set",
        );
    }
    if !is_executable(&file) {
        return fault("names a file that is not executable", format!("chmod +x {program}"));
    }
    Ok(file)
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A path without `.` and `..`, by its text alone: a link must not lead the check astray.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
