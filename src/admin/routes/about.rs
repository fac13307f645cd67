//! What a route says of itself: its parameters, its body, its answers. The check of query parameters and the `OpenAPI`
//! document are both made from it, so neither can say anything else than the other.
//!
//! Must never know: what a route does. Used by every row of the table.

use std::borrow::Cow;
use std::time::Duration;

use utoipa::ToSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

use super::Problem;

/// A route's description.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// One line.
    pub summary: &'static str,
    /// The group that it is listed in.
    pub tag: &'static str,
    /// Its query parameters; others are refused.
    pub query: &'static [Param],
    /// Its body.
    pub body: Option<Body>,
    /// Its good answers: status, what that means, the form of the body.
    pub answers: &'static [(u16, &'static str, Option<Shape>)],
    /// Statuses of refusals of its own, beside those that every route has.
    pub refusals: &'static [u16],
    /// The media type of a 200 that is a stream; beside JSON if it has a shape.
    pub stream: Option<&'static str>,
}

/// A route's body.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Its form.
    pub shape: Shape,
    /// May it be left out?
    pub optional: bool,
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// How often it may be given.
    pub most: usize,
    /// It must be given.
    pub needed: bool,
    /// One line.
    pub help: &'static str,
}

/// What a query parameter takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text but an empty one.
    Text,
    /// One of some words.
    Word(&'static [&'static str]),
    /// Some of some words, with commas between.
    Words(&'static [&'static str]),
    /// A whole number: least, most, default.
    Number(u64, u64, u64),
    /// A whole number without a default: least, most.
    Whole(u64, u64),
    /// Milliseconds since the epoch.
    Time,
    /// A time such as `30s`: least, most, default, ms.
    Duration(u64, u64, u64),
    /// `true` or `false`; and the default.
    Flag(bool),
}

/// The form of a JSON value, by its Rust type.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    name: fn() -> Cow<'static, str>,
    schema: fn() -> RefOr<Schema>,
    parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    /// That of a type.
    pub(super) const fn of<T: ToSchema>() -> Self {
        Self { name: T::name, schema: T::schema, parts: T::schemas }
    }

    /// A reference to it, and its schema with all that it refers to, for the document.
    pub(super) fn referred(&self, components: &mut Vec<(String, RefOr<Schema>)>) -> Ref {
        let name = (self.name)().into_owned();
        components.push((name.clone(), (self.schema)()));
        (self.parts)(components);
        Ref::from_schema_name(name)
    }
}

impl About {
    /// A route that says only what it is for.
    pub(super) const fn new(tag: &'static str, summary: &'static str) -> Self {
        Self { summary, tag, query: &[], body: None, answers: &[], refusals: &[], stream: None }
    }

    pub(super) const fn query(self, query: &'static [Param]) -> Self {
        Self { query, ..self }
    }

    pub(super) const fn body(self, shape: Shape) -> Self {
        Self { body: Some(Body { shape, optional: false }), ..self }
    }

    pub(super) const fn optional_body(self, shape: Shape) -> Self {
        Self { body: Some(Body { shape, optional: true }), ..self }
    }

    pub(super) const fn answers(self, answers: &'static [(u16, &'static str, Option<Shape>)]) -> Self {
        Self { answers, ..self }
    }

    pub(super) const fn stream(self, media: &'static str) -> Self {
        Self { stream: Some(media), ..self }
    }

    pub(super) const fn refusals(self, refusals: &'static [u16]) -> Self {
        Self { refusals, ..self }
    }
}

/// A parameter that may be given once.
pub(super) const fn param(name: &'static str, kind: Kind, help: &'static str) -> Param {
    Param { name, kind, most: 1, needed: false, help }
}

/// One that must be given.
pub(super) const fn needed(name: &'static str, kind: Kind, help: &'static str) -> Param {
    Param { needed: true, ..param(name, kind, help) }
}

/// The checked query of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(&'static Param, String)>);

impl Query {
    /// Checks a query against what a route takes.
    pub(super) fn read(params: &'static [Param], text: &str) -> Result<Self, Problem> {
        let mut pairs: Vec<(&'static Param, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let Some(param) = params.iter().find(|param| param.name == name) else {
                let known: Vec<&str> = params.iter().map(|param| param.name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let shown: String = name.escape_debug().take(60).collect();
                return Err(wrong(
                    &name,
                    &format!("there is no parameter \"{shown}\" here; expected {known}"),
                ));
            };
            if pairs.iter().filter(|(found, _)| found.name == param.name).count() >= param.most {
                let often = if param.most == 1 { "once".to_owned() } else { format!("{} times", param.most) };
                return Err(wrong(param.name, &format!("{} may be given {often}", param.name)));
            }
            param.check(&value)?;
            pairs.push((param, value.into_owned()));
        }
        let is_given = |param: &Param| pairs.iter().any(|(found, _)| found.name == param.name);
        if let Some(missing) = params.iter().find(|param| param.needed && !is_given(param)) {
            return Err(wrong(missing.name, &format!("{}: it is needed", missing.name)));
        }
        Ok(Self(pairs))
    }

    /// The text of a parameter; `None` = it was not given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(param, _)| param.name == name).map(|(_, value)| value.as_str())
    }

    /// All texts of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(param, _)| param.name == name).map(|(_, value)| value.as_str())
    }

    /// A checked number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// A checked flag.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text == "true")
    }

    /// A checked time.
    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        self.text(name).and_then(parse_ms).map(Duration::from_millis)
    }

    /// Does a list of words hold this one?
    pub(super) fn has_word(&self, name: &str, word: &str) -> bool {
        self.text(name).is_some_and(|text| text.split(',').any(|found| found.trim() == word))
    }
}

impl Param {
    fn check(&self, value: &str) -> Result<(), Problem> {
        let expected = match self.kind {
            Kind::Text if value.is_empty() || value.len() > TEXT_BYTES_MAX => {
                format!("1 to {TEXT_BYTES_MAX} bytes")
            }
            Kind::Word(words) if !words.contains(&value) => format!("one of {}", words.join(", ")),
            Kind::Words(words) if !value.split(',').all(|word| words.contains(&word.trim())) => {
                format!("some of {}, with commas between", words.join(", "))
            }
            Kind::Number(least, most, _) if !value.parse().is_ok_and(|n| (least..=most).contains(&n)) => {
                format!("a whole number from {least} to {most}")
            }
            Kind::Whole(least, most) if !value.parse().is_ok_and(|n| (least..=most).contains(&n)) => {
                format!("a whole number from {least} to {most}")
            }
            Kind::Time if !value.parse().is_ok_and(|ms| (0..=TIME_MS_MAX).contains(&ms)) => {
                "milliseconds since 1970".to_owned()
            }
            Kind::Duration(least, most, _)
                if !parse_ms(value).is_some_and(|ms| (least..=most).contains(&ms)) =>
            {
                format!("a time from {least}ms to {}s, such as 30s", most / 1000)
            }
            Kind::Flag(_) if value != "true" && value != "false" => "true or false".to_owned(),
            _ => return Ok(()),
        };
        Err(wrong(self.name, &format!("{}: expected {expected}", self.name)))
    }
}

/// Longest text of a parameter, bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// The last instant that a date can mean in JavaScript, ms.
const TIME_MS_MAX: u64 = 8_640_000_000_000_000;

/// Names the parameter that is wrong.
pub(super) fn wrong(name: &str, detail: &str) -> Problem {
    Problem::validation(detail).with("parameter", name.chars().take(60).collect::<String>())
}

/// `250ms`, `30s`, `2m`.
fn parse_ms(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
