//! Values that are never shown: `log.redact` of the config, applied to whatever of a job leaves the server.
//!
//! Owns: which value a rule means, and what stands in its place. Must never know: routes, jobs. Called by
//! `admin` before anything of a job is written into an answer, and by `worker` before it is written into the log.

use serde_json::Value;

use super::hash::JobView;

/// Stands in place of a value that is not shown.
pub const REDACTED: &str = "[redacted]";

/// The rules, read once. A rule is a name (`token`: at any depth) or a path (`data.token`, `data.*.secret`: from the field
/// of the job on, `*` = any name; lists are passed through). Names are compared without regard to case.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    names: Vec<String>,
    paths: Vec<Vec<String>>,
}

impl Redaction {
    /// Reads the rules of `log.redact`.
    pub fn new<T: AsRef<str>>(rules: &[T]) -> Self {
        let mut redaction = Self::default();
        for rule in rules {
            let parts: Vec<String> = rule.as_ref().split('.').map(str::to_lowercase).collect();
            match <[String; 1]>::try_from(parts) {
                Ok([name]) => redaction.names.push(name),
                Err(path) => redaction.paths.push(path),
            }
        }
        redaction
    }

    /// Replaces what must not be shown in one field of a job, named as the API names it: `data`, `opts`, `progress`,
    /// `returnvalue`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::wire::redact::Redaction;
    /// let redaction = Redaction::new(&["token", "data.customer.email"]);
    /// let mut data = serde_json::json!({"shop": "acme", "Token": "s3cret", "customer": [{"email": "a@b.c", "id": 7}]});
    /// redaction.apply("data", &mut data);
    /// let shown = r#"{"shop":"acme","Token":"[redacted]","customer":[{"email":"[redacted]","id":7}]}"#;
    /// assert_eq!(data.to_string(), shown);
    /// ```
    pub fn apply(&self, field: &str, value: &mut Value) {
        let field = field.to_lowercase();
        if self.names.contains(&field) {
            *value = REDACTED.into();
            return;
        }
        let open = self.paths.iter().filter(|path| fits(&path[0], &field)).map(|path| &path[1..]);
        self.walk(&open.collect::<Vec<_>>(), value);
    }

    /// The same for all bodies of a job.
    pub(crate) fn hide(&self, view: &mut JobView) {
        self.apply("data", &mut view.data);
        self.apply("opts", &mut view.opts);
        self.apply("progress", &mut view.progress);
        self.apply("returnvalue", &mut view.returnvalue);
    }

    /// Replaces below `value`; `open` = the rests of the paths that have led here. `serde_json` bounds the depth.
    fn walk(&self, open: &[&[String]], value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(open, item)),
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    let name = name.to_lowercase();
                    let next: Vec<&[String]> =
                        open.iter().filter(|path| fits(&path[0], &name)).map(|path| &path[1..]).collect();
                    if self.names.contains(&name) || next.iter().any(|path| path.is_empty()) {
                        *member = REDACTED.into();
                    } else {
                        self.walk(&next, member);
                    }
                }
            }
            _ => {}
        }
    }
}

fn fits(part: &str, name: &str) -> bool {
    part == "*" || part == name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Redaction;

    fn shown(rules: &[&str], field: &str, mut value: serde_json::Value) -> serde_json::Value {
        Redaction::new(rules).apply(field, &mut value);
        value
    }

    #[test]
    fn a_name_is_hidden_at_any_depth_and_in_any_case() {
        let value = json!({"a": {"PassWord": {"x": 1}}, "list": [[{"password": null}]], "passwords": 1});
        let expected =
            json!({"a": {"PassWord": "[redacted]"}, "list": [[{"password": "[redacted]"}]], "passwords": 1});
        assert_eq!(shown(&["password"], "data", value), expected);
        assert_eq!(shown(&["data"], "data", json!(1)), json!("[redacted]"));
    }

    #[test]
    fn a_path_begins_at_the_field_and_passes_through_lists() {
        let value = json!({"token": 1, "deep": {"token": 2}, "items": [{"token": 3}, {"other": 4}]});
        assert_eq!(
            shown(&["data.token", "data.items.token", "opts.deep"], "data", value.clone()),
            json!({"token": "[redacted]", "deep": {"token": 2}, "items": [{"token": "[redacted]"}, {"other": 4}]})
        );
        assert_eq!(shown(&["data.token"], "progress", value.clone()), value);
        assert_eq!(
            shown(&["*.*.token"], "data", value),
            json!({"token": 1, "deep": {"token": "[redacted]"}, "items": [{"token": "[redacted]"}, {"other": 4}]})
        );
    }

    #[test]
    fn what_is_no_object_is_left_alone() {
        for value in [json!(null), json!("token"), json!([1, "token"]), json!(7)] {
            assert_eq!(shown(&["token", "data.token"], "data", value.clone()), value);
        }
    }
}
