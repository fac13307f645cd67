//! Which jobs a search means. Redis tells which may be meant by looking for texts; what is read of those is checked here.

use serde_json::Value;

use crate::job::pattern::matches;
use crate::wire::hash::JobView;

/// Most conditions of one search.
pub const CONDITIONS_MAX: usize = 5;
/// Bodies that conditions are about.
const BODIES: [&str; 4] = ["data", "opts", "progress", "returnvalue"];
/// Levels of a path.
const PATH_MAX: usize = 16;

/// All of it must hold; the default means all jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The job's name; `*` in it stands for any text.
    pub name: Option<String>,
    /// Part of the text of its failure, in any case.
    pub error: Option<String>,
    /// About its bodies.
    pub conditions: Vec<Condition>,
}

/// A condition about one value in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    body: &'static str,
    path: Vec<String>,
    test: Test,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Contains,
}

impl Condition {
    /// Reads `data.shop=acme`, `data.items.0.sku~ab` or `returnvalue.failed!=0`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::store::search::Condition;
    /// assert!(Condition::parse("data.shop=acme").is_ok());
    /// assert!(Condition::parse("shop=acme").unwrap_err().contains("data, opts, progress or returnvalue"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = text.find(['=', '~', '!']).ok_or("expected a path, then =, != or ~, then a value")?;
        let (path, rest) = text.split_at(at);
        let (kind, value) = if let Some(value) = rest.strip_prefix("!=") {
            (Test::NotEqual, value)
        } else if let Some(value) = rest.strip_prefix('~') {
            (Test::Contains, value)
        } else if let Some(value) = rest.strip_prefix('=') {
            (Test::Equal, value)
        } else {
            return Err("expected =, != or ~ between path and value".into());
        };
        let mut parts = path.split('.');
        let head = parts.next().unwrap_or_default();
        let body = BODIES.into_iter().find(|body| *body == head);
        let body = body.ok_or("expected a path that begins with data, opts, progress or returnvalue")?;
        let path: Vec<String> = parts.map(str::to_owned).collect();
        if path.iter().any(String::is_empty) || path.len() > PATH_MAX {
            return Err(format!("expected 0 to {PATH_MAX} names with a dot before each"));
        }
        Ok(Self { body, path, test: kind, value: value.to_owned() })
    }

    /// The member itself as it stands in JSON, however that is spaced. A short value alone stands in nearly every job.
    fn pattern(&self) -> Option<Needle> {
        let name = self.path.last().filter(|name| name.parse::<usize>().is_err())?;
        let is_plain = |text: &str| plain_part(text).len() == text.len() && !text.is_empty();
        if self.test != Test::Equal || !is_plain(name) || !is_plain(&self.value) {
            return None;
        }
        let text = format!("\"{}\"%s*:%s*\"?{}[\"%s,}}%]]", escaped(name), escaped(&self.value));
        Some(Needle { field: self.body, is_pattern: true, text })
    }

    fn holds(&self, view: &JobView) -> bool {
        let body = match self.body {
            "data" => &view.data,
            "opts" => &view.opts,
            "progress" => &view.progress,
            _ => &view.returnvalue,
        };
        let found = self.path.iter().try_fold(body, |value, name| match value {
            Value::Object(members) => members.get(name),
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        });
        let text = found.map(as_text);
        match self.test {
            Test::Equal => text.as_deref() == Some(&self.value),
            Test::NotEqual => text.as_deref() != Some(&self.value),
            Test::Contains => text.is_some_and(|text| text.contains(&self.value)),
        }
    }
}

/// What a field must hold for its job to be meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needle {
    pub(super) field: &'static str,
    /// It is a Lua pattern.
    pub(super) is_pattern: bool,
    pub(super) text: String,
}

/// Text that matches itself in a Lua pattern.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['%', c] }).collect()
}

/// A value as people write it.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The longest part of a text that stands in JSON as it is, whoever wrote it: some escape all but plain letters.
fn plain_part(text: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .-_:,@+".contains(c);
    text.split(|c| !plain(c)).max_by_key(|part| part.len()).unwrap_or_default()
}

impl Filter {
    /// Does it mean all jobs?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does it look into bodies?
    pub(super) fn reads_bodies(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// What the fields of a job that is meant hold for sure.
    pub(super) fn needles(&self) -> Vec<Needle> {
        let plain = |field, text: &str| Needle { field, is_pattern: false, text: text.to_owned() };
        let mut needles = Vec::new();
        if let Some(name) = &self.name {
            needles.push(plain("name", name.split('*').max_by_key(|part| part.len()).unwrap_or_default()));
        }
        if let Some(error) = &self.error {
            // Lua lowers plain letters only.
            needles.push(plain("failedReason", plain_part(&error.to_ascii_lowercase())));
        }
        for condition in self.conditions.iter().filter(|condition| condition.test != Test::NotEqual) {
            needles.push(
                condition.pattern().unwrap_or_else(|| plain(condition.body, plain_part(&condition.value))),
            );
        }
        needles
    }

    /// Is this job meant? Its bodies must have been read.
    pub fn accepts(&self, view: &JobView) -> bool {
        let error = |part: &String| {
            view.failed_reason
                .as_deref()
                .is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()))
        };
        self.name.as_ref().is_none_or(|pattern| matches(pattern, &view.name))
            && self.error.as_ref().is_none_or(error)
            && self.conditions.iter().all(|condition| condition.holds(view))
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Filter, JobView, plain_part};

    fn job(data: &str) -> JobView {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        JobView::read(
            "1",
            &[field("name", "sync"), field("data", data), field("failedReason", "HTTP 429: SLOW")],
        )
    }

    #[test]
    fn conditions_compare_values_as_people_write_them() {
        let view = job(r#"{"shop":"acme","n":5,"ok":true,"items":[{"sku":"ab-1"}],"none":null}"#);
        for (condition, holds) in [
            ("data.shop=acme", true),
            ("data.shop=acm", false),
            ("data.shop~acm", true),
            ("data.n=5", true),
            ("data.n!=5", false),
            ("data.gone!=5", true),
            ("data.ok=true", true),
            ("data.none=null", true),
            ("data.items.0.sku=ab-1", true),
            ("data.items.1.sku=ab-1", false),
            ("data~ab-1", true),
            ("opts.attempts=3", false),
        ] {
            let filter =
                Filter { conditions: vec![Condition::parse(condition).unwrap()], ..Filter::default() };
            assert_eq!(filter.accepts(&view), holds, "{condition}");
        }
    }

    #[test]
    fn names_and_errors_are_matched_too() {
        let filter = |name: &str, error: &str| Filter {
            name: Some(name.into()),
            error: Some(error.into()),
            conditions: Vec::new(),
        };
        assert!(filter("sy*", "slow").accepts(&job("{}")));
        assert!(filter("*", "429").accepts(&job("{}")));
        assert!(!filter("syn", "429").accepts(&job("{}")));
        assert!(!filter("*", "430").accepts(&job("{}")));
    }

    #[test]
    fn what_json_may_escape_is_not_looked_for_in_redis() {
        assert_eq!(plain_part("acme"), "acme");
        assert_eq!(plain_part("Nhà hàng/2"), "ng");
        assert_eq!(plain_part("\u{1ebf}\"\""), "");
    }

    #[test]
    fn a_condition_that_makes_no_sense_is_refused() {
        for text in ["", "data.shop", "data..x=1", "shop=1", "data.x!1", "=x"] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }
}
