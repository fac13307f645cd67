//! Names of queues, prefixes and workers.

use crate::{HANDLER, accepted, errors, refused};

#[test]
fn a_queue_name_that_is_no_name_is_refused_with_the_characters_that_are() {
    let long = "x".repeat(2000);
    let rename = "use the name that the producer passes to new Queue(…)";
    let pattern = "name each queue in a table of its own; patterns are not matched";
    let cases = [
        ("", "is empty", rename),
        ("{x", "holds half a {tag}", rename),
        ("x}", "holds half a {tag}", rename),
        ("{}", "holds half a {tag}", rename),
        ("{a}{b}", "holds more than one {tag}", rename),
        ("*", "is a pattern", pattern),
        ("woo:*", "is a pattern", pattern),
        ("mail?", "is a pattern", pattern),
        ("a[bc]", "is a pattern", pattern),
        ("a\\nb", "holds a control character", rename),
        ("a\\u0000b", "holds a control character", rename),
        (&long, "is too long", rename),
        ("../x", "is a path", rename),
        (" x", "holds a character that is not allowed", rename),
    ];
    for (name, fault, hint) in cases {
        let text = format!("[queues.\"{name}\".handlers.\"*\"]\nhttp = \"http://h/x\"");
        let lines = errors(&text);
        assert!(lines.starts_with(&format!("error: queue name {fault} (bullock.toml:1): \"")), "{lines}");
        let end = format!(
            "; expected 1 to 128 bytes of letters, digits, spaces inside and . _ - : @ + /, at most one {{tag}}. hint: {hint}"
        );
        assert!(lines.ends_with(&end), "{lines}");
        assert_eq!(lines.lines().count(), 1, "{lines}");
    }
}

#[test]
fn names_that_producers_use_are_accepted() {
    for name in
        ["emails", "woo:customers", "{shop}:orders", "Order Emails", "bestellungen-ä", "team/mail", "a@b+c"]
    {
        let config = accepted(&format!("[queues.\"{name}\".handlers.\"*\"]\nhttp = \"http://h/x\"\n"));
        assert_eq!(config.queues[name].name, name);
    }
}

#[test]
fn a_prefix_with_a_space_a_pattern_or_half_a_brace_is_refused() {
    let expected = "1 to 128 bytes of A-Z a-z 0-9 . _ - :, at most one {tag}";
    for (prefix, fault) in [
        ("a b", "holds a character that is not allowed"),
        ("a*", "holds a character that is not allowed"),
        ("{x", "holds half a {tag}"),
        ("", "is empty"),
    ] {
        let (all, own) =
            (format!("[redis]\nprefix = \"{prefix}\""), format!("[queues.a]\nprefix = \"{prefix}\""));
        let line = |path: &str, hint: &str| {
            format!(
                "error: {path}.prefix {fault} (bullock.toml:2): \"{prefix}\"; expected {expected}. hint: {hint}"
            )
        };
        refused(&[(&all, &line("redis", "left out, it is \"bull\", as in Bull"))]);
        refused(&[(&own, &line("queues.a", "left out, it is redis.prefix"))]);
    }
    let config = accepted(&format!("[redis]\nprefix = \"{{app}}:q\"\n{HANDLER}"));
    assert_eq!(config.queues["a"].prefix, "{app}:q");
}

#[test]
fn a_worker_without_a_name_is_called_by_host_and_pid() {
    let config = accepted(HANDLER);
    assert!(config.worker.name.ends_with(&format!("-{}", std::process::id())), "{}", config.worker.name);
    refused(&[(
        "[worker]\nname = \"a:b\"",
        "error: worker.name holds a character that is not allowed (bullock.toml:2): \"a:b\"; expected 1 to 128 bytes of A-Z a-z 0-9 . _ -. hint: left out, it is host and pid",
    )]);
}
