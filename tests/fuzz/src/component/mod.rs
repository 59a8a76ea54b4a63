//! Guests that were made at random, through both lanes of a host.
//!
//! The input is the file that an author would hand in, text or binary. A core module without an entry gets one
//! (`drive`), which calls what the module imports and exports as the bytes of its custom section `plan` say (`plan`).
//! `cargo xtask soak fuzz` makes such modules with wasm-smith. Checked, in each lane:
//! * it compiles in both lanes or in none, and a refusal has its reasons;
//! * each request ends, as a response within its limits or as a failure that is not the host's;
//! * no header of the connection is in an answer;
//! * when all is over no permit, instance slot or work is left.

mod drive;
mod house;
mod plan;

use std::{
    borrow::Cow,
    sync::{LazyLock, Mutex, PoisonError},
};

use wasmbay::{config::Lane, failure::Code, guest::Kind};

use self::{house::House, plan::Plan};

/// Larger files are the compiler's business, which has limits of its own.
const MAX_FILE: usize = 256 << 10;

/// What became of an input in one lane.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is no plugin, for these reasons.
    Refused(Vec<String>),
    /// It is one of this kind; how each request ended: its status, or why there was no whole response. `None` is a
    /// request that its client gave up.
    Ran(Kind, Vec<Option<Result<u16, Code>>>),
}

/// Runs one input.
///
/// # Panics
/// When one of the properties does not hold.
pub fn run(input: &[u8]) {
    through_both_lanes(input);
}

/// As [`run`], and tells what became of it in the io lane and in the compute lane; nothing of what is too large.
///
/// # Panics
/// When one of the properties does not hold.
pub fn through_both_lanes(input: &[u8]) -> Vec<Outcome> {
    static HOUSE: LazyLock<Mutex<House>> = LazyLock::new(|| Mutex::new(House::new()));
    if input.len() > MAX_FILE {
        return Vec::new();
    }
    let file = wat::parse_bytes(input).unwrap_or(Cow::Borrowed(input));
    let plan = Plan::of(&file);
    let file = drive::with_entry(&file, &plan).unwrap_or_else(|| file.into_owned());
    // One at a time: what is left over afterwards is this one's. A panic while it was held was a finding already.
    let house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = [Lane::Io, Lane::Compute].map(|lane| (lane, house.compile(lane, &file)));
    let [(_, io), (_, compute)] = &compiled;
    assert_eq!(
        io.is_ok(),
        compute.is_ok(),
        "one lane compiles it: {:?} {:?}",
        io.as_ref().err(),
        compute.as_ref().err()
    );
    compiled.map(|(lane, code)| house.try_out(lane, code, &plan)).into()
}
