//! Patterns for names of queues and jobs.

/// Does the pattern, in which `*` stands for any text, describe the name?
///
/// ```
/// use bullock::job::pattern::matches;
/// assert!(matches("shop:*", "shop:orders") && matches("*", "") && matches("a*c", "abc"));
/// assert!(!matches("shop:*", "shop"));
/// ```
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("*", "anything", true),
            ("woo:*", "woo:customers", true),
            ("woo:*", "other", false),
            ("*:customers", "woo:customers", true),
            ("w*o:*s", "woo:customers", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("a*a", "a", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
