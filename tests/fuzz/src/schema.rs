//! The words of JSON Schema that the host's schemas are made of. A word that is none of these is a panic, not passed over.
//!
//! The validators that know all words bring other features to crates that the engine is built from.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

/// A schema with its patterns compiled.
pub(crate) struct Schema {
    root: Value,
    patterns: HashMap<String, Regex>,
}

/// Words that say something to people alone.
const SAID_TO_PEOPLE: [&str; 4] = ["$schema", "title", "description", "default"];

impl Schema {
    /// # Panics
    /// When a pattern is none.
    pub(crate) fn new(root: Value) -> Self {
        let mut patterns = HashMap::new();
        collect(&root, &mut patterns);
        Self { root, patterns }
    }

    /// Why a value is refused, or nothing.
    ///
    /// # Panics
    /// At a word that it does not know.
    pub(crate) fn refusal(&self, value: &Value) -> Option<String> {
        self.check(&self.root, value, "").err()
    }

    /// As [`Schema::check`], where a schema may also be a plain no.
    fn below(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        match schema {
            Value::Bool(false) => Err(format!("{at} is not a key")),
            schema => self.check(schema, value, at),
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let words = schema.as_object().expect("the host's schemas are objects");
        for (word, wanted) in words {
            let holds = match (word.as_str(), value) {
                ("type", _) => types(wanted).any(|wanted| is_a(value, wanted)),
                ("const", _) => value == wanted,
                ("enum", _) => list(wanted).contains(value),
                ("oneOf", _) => list(wanted).iter().filter(|one| self.check(one, value, at).is_ok()).count() == 1,
                ("anyOf", _) => list(wanted).iter().any(|one| self.check(one, value, at).is_ok()),
                ("pattern", Value::String(text)) => self.patterns[text_of(wanted)].is_match(text),
                ("maxLength", Value::String(text)) => text.chars().count() as f64 <= number(wanted),
                ("minimum", Value::Number(it)) => it.as_f64().is_some_and(|it| it >= number(wanted)),
                ("maximum", Value::Number(it)) => it.as_f64().is_some_and(|it| it <= number(wanted)),
                ("minItems", Value::Array(items)) => items.len() as f64 >= number(wanted),
                ("required", Value::Object(keys)) => list(wanted).iter().all(|key| keys.contains_key(text_of(key))),
                ("items", Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        self.check(wanted, item, &format!("{at}[{index}]"))?;
                    }
                    true
                }
                ("properties", Value::Object(keys)) => {
                    let known = wanted.as_object().expect("properties are an object");
                    for (key, below) in known.iter().filter_map(|(key, schema)| Some((key, (schema, keys.get(key)?)))) {
                        self.check(below.0, below.1, &format!("{at}.{key}"))?;
                    }
                    true
                }
                ("additionalProperties", Value::Object(keys)) => {
                    for (key, value) in beside(words, keys) {
                        self.below(wanted, value, &format!("{at}.{key}"))?;
                    }
                    true
                }
                (word, _) if SAID_TO_PEOPLE.contains(&word) || KNOWN.contains(&word) => true,
                (word, _) => panic!("the schema has a word that is not known here: {word}"),
            };
            if !holds {
                return Err(format!("{at}: {value} does not keep {word} = {wanted}"));
            }
        }
        Ok(())
    }
}

/// The keys of an object that `properties` does not name.
fn beside<'v>(
    words: &'v Map<String, Value>,
    keys: &'v Map<String, Value>,
) -> impl Iterator<Item = (&'v String, &'v Value)> {
    let known = words.get("properties").and_then(Value::as_object);
    keys.iter().filter(move |(key, _)| !known.is_some_and(|known| known.contains_key(*key)))
}

/// Words of one type that say nothing of a value of another.
const KNOWN: [&str; 9] = [
    "pattern",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "required",
    "items",
    "properties",
    "additionalProperties",
];

fn collect(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(words) => {
            if let Some(Value::String(pattern)) = words.get("pattern") {
                patterns.insert(pattern.clone(), Regex::new(pattern).expect("a pattern"));
            }
            words.values().for_each(|below| collect(below, patterns));
        }
        Value::Array(items) => items.iter().for_each(|below| collect(below, patterns)),
        _ => {}
    }
}

fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    wanted.as_str().into_iter().chain(wanted.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("the schema has a type that is not known here: {kind}"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}
