//! The admin server: never open to others without a token, never with a token from an example.

use bullock::config::Role;

use crate::{HANDLER, accepted, errors, refused};

/// SHA-256 of "test"; one digit away from it is the digest of nothing known.
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn listening_to_others_without_a_token_is_refused() {
    let line = |address: &str| {
        format!(
            "error: admin.listen is open to others, and there is no token (bullock.toml:2): \"{address}\"; expected a loopback address, or admin.tokens. hint: listen on 127.0.0.1, or add a token: openssl rand -hex 32, and its sha256sum"
        )
    };
    for address in ["0.0.0.0:7979", "[::]:7979", "192.168.1.5:80"] {
        refused(&[(&format!("[admin]\nlisten = \"{address}\""), &line(address))]);
    }
    let empty = errors(&format!("[admin]\nlisten = \"0.0.0.0:7979\"\ntokens = []\n{HANDLER}"));
    assert!(empty.starts_with("error: admin.tokens is empty, and admin.listen is open to others"), "{empty}");
}

#[test]
fn loopback_needs_no_token_and_the_empty_address_is_no_server() {
    for address in ["127.0.0.1:0", "[::1]:7979", "localhost:7979"] {
        let config = accepted(&format!("[admin]\nlisten = \"{address}\"\n{HANDLER}"));
        assert!(config.admin.unwrap().listen.ip().is_loopback());
    }
    assert_eq!(accepted(HANDLER).admin.unwrap().listen.to_string(), "127.0.0.1:7979");
    assert!(accepted(&format!("[admin]\nlisten = \"\"\n{HANDLER}")).admin.is_none());
}

#[test]
fn listening_everywhere_without_a_public_url_is_warned_of() {
    let digest = DIGEST.replace("9f86", "9f87");
    let text = format!(
        "[admin]\nlisten = \"0.0.0.0:7979\"\ntokens = [{{ name = \"a\", role = \"admin\", sha256 = \"{digest}\" }}]\n{HANDLER}"
    );
    assert_eq!(
        accepted(&text).warnings[0].to_string(),
        "admin.listen is every address of this machine, and handlers cannot call back to that (bullock.toml:2): \"0.0.0.0:7979\"; expected admin.public_url. hint: set admin.public_url if a handler answers 202 or uses Job-Callback"
    );
    assert!(accepted(&text.replace("tokens", "public_url = \"http://b\"\ntokens")).warnings.is_empty());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["nonsense", ":7979", "127.0.0.1", "example.com:80", "127.0.0.1:99999"] {
        refused(&[(
            &format!("[admin]\nlisten = \"{address}\""),
            &format!(
                "error: admin.listen is no address (bullock.toml:2): \"{address}\"; expected e.g. \"127.0.0.1:7979\". hint: write an IP address or localhost, and a port; \"\" turns the admin server off"
            ),
        )]);
    }
}

#[test]
fn tokens_become_digests_and_roles() {
    let text = format!(
        "[admin]\nlisten = \"0.0.0.0:7979\"\npublic_url = \"http://bullock.internal:7979/\"\ntokens = [{{ name = \"ops\", role = \"operator\", sha256 = \"{DIGEST}\", queues = [\"woo:*\"] }}]\n{HANDLER}"
    );
    assert!(errors(&text).contains("admin.tokens[0].sha256 is that of an example"));
    let admin = accepted(&text.replace("9f86", "9f87")).admin.unwrap();
    assert_eq!(admin.public_url.as_deref(), Some("http://bullock.internal:7979"));
    let token = &admin.tokens[0];
    assert_eq!(
        (token.name.as_str(), token.role, token.sha256[..2].to_vec()),
        ("ops", Role::Operator, vec![0x9f, 0x87])
    );
    assert_eq!(token.queues, ["woo:*"]);
    assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
}

#[test]
fn a_token_of_an_example_or_in_the_clear_is_refused_without_being_shown() {
    let refused_digest = |digest: &str| {
        errors(&format!(
            "[admin]\ntokens = [{{ name = \"a\", role = \"admin\", sha256 = \"{digest}\" }}]\n{HANDLER}"
        ))
    };
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for digest in [empty, &"0".repeat(64), &"ab".repeat(32)] {
        assert_eq!(
            refused_digest(digest),
            "error: admin.tokens[0].sha256 is that of an example (bullock.toml:2): ***; expected the digest of a token of your own. hint: openssl rand -hex 32 makes a token, sha256sum its digest"
        );
    }
    for token in ["hunter2", &format!("{}g", "a".repeat(63)), &"a".repeat(63)] {
        assert_eq!(
            refused_digest(token),
            "error: admin.tokens[0].sha256 is no SHA-256 (bullock.toml:2): ***; expected 64 hex digits. hint: printf %s \"$TOKEN\" | sha256sum; the token itself does not belong here"
        );
    }
}

#[test]
fn a_token_needs_its_role_and_a_name_of_its_own() {
    let lines = errors(&format!(
        "[[admin.tokens]]\nname = \"a\"\n[[admin.tokens]]\nname = \"a\"\nrole = \"boss\"\n{HANDLER}"
    ));
    for part in [
        "admin.tokens[0].role is missing",
        "admin.tokens[0].sha256 is missing",
        "admin.tokens[1].name is taken by another token (bullock.toml:4): \"a\"",
        "admin.tokens[1].role is not one of its words (bullock.toml:5): \"boss\"; expected \"viewer\" or \"operator\" or \"admin\"",
    ] {
        assert!(lines.contains(part), "{part} is not in\n{lines}");
    }
}

#[test]
fn a_base_path_is_plain_segments_between_slashes() {
    for (written, read) in [("/", "/"), ("/jobs", "/jobs/"), ("/jobs/", "/jobs/"), ("/a/b-c", "/a/b-c/")] {
        let config = accepted(&format!("[admin]\nbase_path = \"{written}\"\n{HANDLER}"));
        assert_eq!(config.admin.unwrap().base_path, read, "{written}");
    }
    for bad in ["jobs", "/a b", "/../x", "/a//b", "/a?b", "/%2e", "http://h/x"] {
        let lines = errors(&format!("[admin]\nbase_path = \"{bad}\"\n{HANDLER}"));
        assert!(lines.contains("admin.base_path is no plain path"), "{bad}: {lines}");
    }
}
