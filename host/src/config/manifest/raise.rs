//! Where a limit stands in a manifest's text, and what to write there for more of it.

use std::fmt;

use super::{Limits, Manifest};
use crate::{
    config::tree,
    units::{ByteSize, Fuel, Interval},
};

/// A limit's value, whatever its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A length of time.
    Time(Interval),
    /// A number of bytes.
    Size(ByteSize),
    /// An amount of fuel.
    Fuel(Fuel),
    /// A number of requests.
    Count(u32),
}

impl Figure {
    /// Twice as much, or as much as there can be.
    #[must_use]
    pub fn doubled(self) -> Self {
        match self {
            Self::Time(Interval(time)) => Self::Time(Interval(time.saturating_mul(2))),
            Self::Size(ByteSize(bytes)) => Self::Size(ByteSize(bytes.saturating_mul(2).max(1 << 10))),
            Self::Fuel(Fuel(units)) => Self::Fuel(Fuel(units.saturating_mul(2))),
            Self::Count(count) => Self::Count(count.saturating_mul(2).max(1)),
        }
    }
}

impl fmt::Display for Figure {
    /// As a manifest has it, without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Fuel(fuel) => fuel.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl Limits {
    /// The value of a key such as `limits.cpu`; `None` for a key that is none of them, or that this lane does not have.
    pub fn figure(&self, key: &str) -> Option<Figure> {
        let (time, size) = (|time| Figure::Time(Interval(time)), Figure::Size);
        Some(match key.strip_prefix("limits.")? {
            "fuel" => Figure::Fuel(self.fuel?),
            "cpu" => time(self.cpu),
            "timeout" => time(self.timeout),
            "stream_idle" => time(self.stream_idle),
            "memory" => size(self.memory),
            "request_body" => size(self.request_body),
            "response_body" => size(self.response_body),
            "max_concurrent" => Figure::Count(self.max_concurrent),
            "queue" => Figure::Count(self.queue),
            "queue_timeout" => time(self.queue_timeout),
            "after_response" => time(self.after_response),
            _ => return None,
        })
    }
}

impl Manifest {
    /// The line of a manifest's text that sets a key such as `limits.cpu`, counted from 1; `None` when none does.
    pub fn line_of(text: &str, key: &str) -> Option<usize> {
        tree::line_of(text, &key.split('.').collect::<Vec<_>>())
    }
}

/// How to raise one limit in one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// What the text asks for, a default included.
    pub asked: Figure,
    /// The line that says so now, counted from 1, and its text; `None` for a default.
    pub now: Option<(usize, String)>,
    /// What to write there; without a line, under `[limits]`.
    pub write: String,
}

impl Raise {
    /// Finds `key` in a manifest's text and doubles it. `None` for a text that is no good manifest, or a key that is no
    /// limit of it.
    pub fn find(text: &str, key: &str) -> Option<Self> {
        let asked = Manifest::parse(text, Manifest::FILE).ok()?.limits.figure(key)?;
        let name = key.strip_prefix("limits.")?;
        let now = Manifest::line_of(text, key);
        let now = now.and_then(|line| Some((line, text.lines().nth(line - 1)?.trim().to_owned())));
        let more = asked.doubled();
        let write = match more {
            Figure::Count(count) => format!("{name} = {count}"),
            unit => format!("{name} = \"{unit}\""),
        };
        Some(Self { asked, now, write })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "manifest = 1\nname = \"p\"\ncomponent = \"p.wasm\"\nlane = \"compute\"\n";

    fn find(more: &str, key: &str) -> Option<Raise> {
        Raise::find(&format!("{HEAD}{more}"), key)
    }

    #[test]
    fn a_written_limit_is_found_however_it_is_written() {
        for (text, line, now) in [
            ("[limits]\n# why\n  cpu = \"20ms\" # short\n", 7, "cpu = \"20ms\" # short"),
            ("limits = { cpu = \"20ms\" }\n", 5, "limits = { cpu = \"20ms\" }"),
            ("limits.cpu = \"20ms\"\n", 5, "limits.cpu = \"20ms\""),
        ] {
            let raise = find(text, "limits.cpu").expect("it is found");
            assert_eq!((raise.now, raise.write.as_str()), (Some((line, now.to_owned())), "cpu = \"40ms\""));
        }
    }

    #[test]
    fn a_default_has_no_line_and_a_value_to_write() {
        for (key, write) in [
            ("limits.memory", "memory = \"256MiB\""),
            ("limits.fuel", "fuel = \"4G\""),
            ("limits.queue", "queue = 512"),
        ] {
            let raise = find("", key).expect("it has a default");
            assert_eq!((raise.now, raise.write.as_str()), (None, write));
        }
    }

    #[test]
    fn what_is_no_limit_of_the_manifest_is_not_found() {
        assert_eq!(find("", "limits.colour"), None);
        assert_eq!(find("", "caps.cpu"), None);
        assert_eq!(find("[limits]\ncpu = 3", "limits.cpu"), None);
        assert_eq!(Raise::find(&HEAD.replace("compute", "io"), "limits.fuel"), None);
    }
}
