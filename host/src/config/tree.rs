//! TOML as a tree that is walked key by key, so that one bad value does not hide the next.
//!
//! A [`Section`] is one table. What takes keys from it names all it knows, those that nothing enforces yet included;
//! [`Section::finish`] complains about the rest.

use std::{borrow::Cow, collections::BTreeSet, ops::Range};

use serde_json::{Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fault::{At, Faults, Place, Wrong},
    leaf::{Leaf, kind_of, mismatch},
};
use crate::diagnostic::did_you_mean;

/// Parses a whole file and hands its top table to `read`. A syntax error is the only fault of its file.
///
/// `top` are keys that belong at the top alone: found in a table, they are said to be misplaced.
pub(super) fn read<T>(
    text: &str,
    file: &Place,
    top: &[&str],
    faults: &mut Faults,
    read: impl FnOnce(Section<'_>, &mut Faults) -> T,
) -> Option<T> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => {
            let (table, known) = (table.get_ref(), BTreeSet::new());
            Some(read(Section { table, path: String::new(), place: file.clone(), lines: &lines, top, known }, faults))
        }
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let place =
                if span.is_empty() && span.start == 0 { file.clone() } else { file.line(lines.line(span.start)) };
            faults.add_other(&place, syntax(text, span, error.message()));
            None
        }
    }
}

/// The line of the value at the end of a path of keys, counted from 1; `None` when it is not written.
pub(super) fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (last, tables) = path.split_last()?;
    let mut table = root.get_ref();
    for key in tables {
        table = table.get(*key)?.get_ref().as_table()?;
    }
    Some(Lines::of(text).line(table.get(*last)?.span().start))
}

/// The complaint about a text that is not TOML.
fn syntax(text: &str, span: Range<usize>, message: &str) -> Wrong {
    let found = text.get(span.clone()).unwrap_or_default();
    let near = if found.is_empty() { String::new() } else { format!(" at `{}`", found.escape_debug()) };
    let wrong = Wrong::new(format!("not TOML: {message}{near}"));
    let is_value = text.get(..span.start).is_some_and(|before| before.trim_end_matches([' ', '\t']).ends_with('='));
    // The parser takes a word without quotes for a number, and says so.
    if is_value && found.starts_with(|first: char| first.is_alphabetic()) {
        return wrong.remedy(format!("write text in quotes: \"{}\"", found.escape_debug()));
    }
    wrong
}

/// Where each line of a text ends.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset).collect())
    }

    /// The line of a byte, counted from 1.
    fn line(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

/// One table, while its keys are taken.
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// The table's name before its keys' names: empty, or ending with a dot.
    path: String,
    place: Place,
    lines: &'t Lines,
    top: &'t [&'t str],
    known: BTreeSet<&'static str>,
}

/// What stands under a name of the author's choice.
pub(super) enum Entry<'t> {
    /// A string.
    Text(At<String>),
    /// A table.
    Table(Section<'t>),
}

impl<'t> Section<'t> {
    /// Where the table begins; the whole file for the top one.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// A key's name from the top of the file.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    /// Whether a key is there, good or bad.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes a key that holds one value.
    pub(super) fn leaf<T: Leaf>(&mut self, faults: &mut Faults, key: &'static str) -> Option<At<T>> {
        let value = self.value(key)?;
        let place = self.place_of(value);
        let value = faults.keep(&place, &self.name(key), T::toml(value.get_ref()))?;
        Some(At { value, place })
    }

    /// As [`Section::leaf`], for a key that has no default.
    pub(super) fn required<T: Leaf>(&mut self, faults: &mut Faults, key: &'static str, remedy: &str) -> Option<At<T>> {
        if !self.has(key) {
            faults.add(&self.place, &self.name(key), Wrong::new("is missing").remedy(remedy));
        }
        self.leaf(faults, key)
    }

    /// Takes a key that holds a list of values; the good ones of them.
    pub(super) fn list<T: Leaf>(&mut self, faults: &mut Faults, key: &'static str) -> Option<At<Vec<At<T>>>> {
        let value = self.value(key)?;
        let (place, name) = (self.place_of(value), self.name(key));
        let DeValue::Array(items) = value.get_ref() else {
            faults.add(&place, &name, mismatch("a list", kind_of(value.get_ref())));
            return None;
        };
        let read = |item: &'t Spanned<DeValue<'t>>| {
            let place = self.place_of(item);
            let value = faults.keep(&place, &name, T::toml(item.get_ref()))?;
            Some(At { value, place })
        };
        Some(At { value: items.iter().filter_map(read).collect(), place })
    }

    /// As [`Section::list`], for a list that means nothing when it is empty.
    pub(super) fn nonempty_list<T: Leaf>(&mut self, faults: &mut Faults, key: &'static str) -> Option<At<Vec<At<T>>>> {
        if let Some(value) = self.value(key)
            && value.get_ref().as_array().is_some_and(|items| items.is_empty())
        {
            faults.add(
                &self.place_of(value),
                &self.name(key),
                Wrong::new("is empty").remedy("name one, or leave it out"),
            );
        }
        self.list(faults, key)
    }

    /// Takes a key that holds a table.
    pub(super) fn table(&mut self, faults: &mut Faults, key: &'static str) -> Option<Section<'t>> {
        let value = self.value(key)?;
        self.sub(faults, &self.name(key), value)
    }

    /// Takes a key whose table holds texts under names of the author's choice.
    pub(super) fn texts(&mut self, faults: &mut Faults, key: &'static str) -> Vec<(At<String>, At<String>)> {
        self.table(faults, key).map_or_else(Vec::new, |inner| inner.all_texts(faults))
    }

    /// The whole table, when it holds texts under names of the author's choice.
    pub(super) fn all_texts(self, faults: &mut Faults) -> Vec<(At<String>, At<String>)> {
        let mut texts = Vec::new();
        for (name, value) in self.table {
            let shown = self.name(&name.get_ref().escape_debug().to_string());
            let place = self.place_of(value);
            let Some(value) = faults.keep(&place, &shown, String::toml(value.get_ref())) else { continue };
            texts.push((At { value: name.get_ref().to_string(), place: place.clone() }, At { value, place }));
        }
        texts
    }

    /// Takes a key whose table holds texts and tables under names of the author's choice.
    pub(super) fn entries(&mut self, faults: &mut Faults, key: &'static str) -> Vec<(At<String>, Entry<'t>)> {
        let Some(inner) = self.table(faults, key) else { return Vec::new() };
        let mut entries = Vec::new();
        for (name, value) in inner.table {
            let shown = inner.name(&name.get_ref().escape_debug().to_string());
            let place = inner.place_of(value);
            let entry = match value.get_ref() {
                DeValue::Table(_) => inner.sub(faults, &shown, value).map(Entry::Table),
                DeValue::String(text) => Some(Entry::Text(At { value: text.to_string(), place: place.clone() })),
                other => {
                    faults.add(&place, &shown, mismatch("a string or a table", kind_of(other)));
                    None
                }
            };
            entries.extend(entry.map(|entry| (At { value: name.get_ref().to_string(), place }, entry)));
        }
        entries
    }

    /// Takes a key that may hold anything, as JSON has it.
    pub(super) fn json(&mut self, faults: &mut Faults, key: &'static str) -> Option<At<Value>> {
        let value = self.value(key)?;
        let place = self.place_of(value);
        let value = faults.keep(&place, &self.name(key), json(value.get_ref()))?;
        Some(At { value, place })
    }

    /// Takes a key that holds a list of tables (`[[key]]`).
    pub(super) fn tables(&mut self, faults: &mut Faults, key: &'static str) -> Vec<Section<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let name = self.name(key);
        let DeValue::Array(items) = value.get_ref() else {
            let wrong = mismatch("a list of tables", kind_of(value.get_ref())).remedy(format!("write [[{name}]]"));
            faults.add(&self.place_of(value), &name, wrong);
            return Vec::new();
        };
        if items.is_empty() {
            faults.add(&self.place_of(value), &name, Wrong::new("is empty").remedy("leave it out"));
        }
        items.iter().filter_map(|item| self.sub(faults, &name, item)).collect()
    }

    /// Takes a key whose tables have names of the author's choice (`[key.NAME]`).
    pub(super) fn named_tables(&mut self, faults: &mut Faults, key: &'static str) -> Vec<(At<String>, Section<'t>)> {
        let Some(outer) = self.table(faults, key) else { return Vec::new() };
        let mut tables = Vec::new();
        for (name, value) in outer.table {
            let Some(section) = outer.sub(faults, &outer.name(&name.get_ref().escape_debug().to_string()), value)
            else {
                continue;
            };
            let place = outer.place.line(outer.lines.line(name.span().start));
            tables.push((At { value: name.get_ref().to_string(), place }, section));
        }
        tables
    }

    /// Complains about every key that nothing asked for. Those of `later` are part of the format, but nothing acts on
    /// them yet.
    pub(super) fn finish(self, faults: &mut Faults, later: &[&str]) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(name) {
                continue;
            }
            let wrong = if later.contains(&name) { not_available() } else { self.unknown(name) };
            let place = self.place.line(self.lines.line(key.span().start));
            // An author's key may hold anything, line ends too.
            faults.add(&place, &self.name(name).escape_debug().to_string(), wrong);
        }
    }

    fn unknown(&self, name: &str) -> Wrong {
        let wrong = Wrong::new("is an unknown key");
        if !self.path.is_empty() && self.top.contains(&name) {
            return wrong.remedy(format!("write `{name}` at the top of the file, above the first [table]"));
        }
        match did_you_mean(name, self.known.iter().copied()) {
            Some(known) => wrong.remedy(format!("did you mean `{}`?", self.name(known))),
            None => wrong.remedy(format!("known here: {}", Vec::from_iter(self.known.iter().copied()).join(", "))),
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.insert(key);
        self.table.get(key)
    }

    fn place_of(&self, value: &Spanned<DeValue<'_>>) -> Place {
        self.place.line(self.lines.line(value.span().start))
    }

    fn sub(&self, faults: &mut Faults, name: &str, value: &'t Spanned<DeValue<'t>>) -> Option<Section<'t>> {
        let place = self.place_of(value);
        let DeValue::Table(table) = value.get_ref() else {
            faults.add(&place, name, mismatch("a table", kind_of(value.get_ref())));
            return None;
        };
        Some(Section {
            table,
            path: format!("{name}."),
            place,
            lines: self.lines,
            top: self.top,
            known: BTreeSet::new(),
        })
    }
}

/// A TOML value as JSON. Dates become text.
fn json(value: &DeValue<'_>) -> Result<Value, Wrong> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Integer(number) => {
            let number: i64 = i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Wrong::new(format!("= {} is out of range", number.as_str())))?;
            number.into()
        }
        DeValue::Float(number) => {
            let finite = number.as_str().parse().ok().and_then(Number::from_f64);
            finite.ok_or_else(|| Wrong::new(format!("= {} is nothing that JSON has", number.as_str())))?.into()
        }
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Result<_, _>>()?,
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                Ok((key.get_ref().to_string(), json(value.get_ref())?))
            };
            Value::Object(table.iter().map(entry).collect::<Result<_, Wrong>>()?)
        }
    })
}

/// The complaint about what the format has and this version does not.
pub(super) fn not_available() -> Wrong {
    Wrong::new("is not available yet").remedy("remove it: nothing would act on it")
}
