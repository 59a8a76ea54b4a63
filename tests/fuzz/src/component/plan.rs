//! What is done with a generated guest, as bytes: any bytes are a plan.

use std::ops::Range;

use wasmparser::{Parser, Payload};

/// The custom section that holds a plan.
const SECTION: &str = "plan";

/// Bytes of the plan that do not belong to steps.
const HEAD: usize = 3;

/// What is done with a guest. Missing bytes are zero.
#[derive(Debug, Default)]
pub(super) struct Plan {
    bytes: Vec<u8>,
}

/// How a response is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// To its end.
    Whole,
    /// Its client leaves with the head.
    Head,
    /// Its client leaves after the first bytes.
    Part,
    /// Its client leaves while it waits for the head.
    Not,
}

/// A request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Nothing,
    Little,
    TooMuch,
    BreaksOff,
    NeverEnds,
}

impl Plan {
    /// The plan in a module's custom section; an empty one where there is none.
    pub(super) fn of(wasm: &[u8]) -> Self {
        let section = |payload| match payload {
            Ok(Payload::CustomSection(section)) if section.name() == SECTION => Some(section.data().to_vec()),
            _ => None,
        };
        Self { bytes: Parser::new(0).parse_all(wasm).take_while(Result::is_ok).find_map(section).unwrap_or_default() }
    }

    /// `[limits]` and what else the manifest holds, for a lane. `calls_out` is for guests that may.
    pub(super) fn manifest(&self, lane: &str, is_command: bool) -> String {
        let pick = |bits: Range<u32>, choices: &[&str]| {
            choices[(usize::from(self.byte(0)) >> bits.start) % (1 << bits.len()) % choices.len()].to_owned()
        };
        let fuel = match lane {
            "compute" => format!("fuel = \"{}\"\n", pick(0..1, &["50M", "20k"])),
            _ => String::new(),
        };
        let more = match is_command {
            true => String::new(),
            false => {
                format!("[instances]\nmax_requests = {}\n[grants]\nplugins = [\"guest\"]\n", pick(1..2, &["1", "3"]))
            }
        };
        format!(
            "manifest = 1\nname = \"guest\"\ncomponent = \"guest.wasm\"\nlane = \"{lane}\"\non_disconnect = \"{}\"\n\
             [limits]\n{fuel}cpu = \"20ms\"\ntimeout = \"300ms\"\nstream_idle = \"100ms\"\nrequest_body = \"1KiB\"\n\
             response_body = \"{}\"\nmemory = \"{}\"\nafter_response = \"{}\"\n{more}",
            pick(2..3, &["cancel", "finish"]),
            pick(3..4, &["4KiB", "64B"]),
            pick(4..6, &["4MiB", "1MiB", "16MiB", "64KiB"]),
            pick(6..7, &["50ms", "0"]),
        )
    }

    /// How many requests are made.
    pub(super) fn requests(&self) -> usize {
        1 + usize::from(self.byte(1) >> 6) % 3
    }

    pub(super) fn method(&self) -> http::Method {
        [http::Method::GET, http::Method::POST, http::Method::HEAD][usize::from(self.byte(1)) % 3].clone()
    }

    pub(super) fn sent(&self) -> Sent {
        let all = [Sent::Nothing, Sent::Little, Sent::TooMuch, Sent::BreaksOff, Sent::NeverEnds];
        all[usize::from(self.byte(1) >> 2) % 16 % all.len()]
    }

    pub(super) fn taken(&self) -> Taken {
        [Taken::Whole, Taken::Head, Taken::Part, Taken::Not][usize::from(self.byte(2)) % 4]
    }

    /// The bytes that say what the guest itself does.
    pub(super) fn steps(&self) -> &[u8] {
        self.bytes.get(HEAD..).unwrap_or_default()
    }

    fn byte(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or(0)
    }
}
