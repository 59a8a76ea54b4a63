//! The checks of numbers and times that manifests and settings share. Each answers with a value that can be gone on
//! with, so that the next key is checked too.

use std::time::Duration;

use super::{
    fault::{At, Faults, Wrong},
    leaf::{Count, Leaf},
};
use crate::units::{ByteSize, Fuel, Interval};

/// The longest time that can be asked for. Longer is a slip of the pen, and every deadline can be added to a clock.
pub(super) const MAX_INTERVAL: Duration = Duration::from_hours(24);

/// The smallest memory that can hold anything: one page of WebAssembly.
pub(super) const MIN_MEMORY: ByteSize = ByteSize(64 << 10);

/// The longest value of a variable, in bytes: a certificate chain fits.
pub(crate) const MAX_VARIABLE: usize = 64 << 10;

/// Checks a variable's value, which may also be handed on in an environment.
pub(super) fn variable(value: &str) -> Result<(), Wrong> {
    if value.len() > MAX_VARIABLE {
        return Err(Wrong::new(format!("is longer than {MAX_VARIABLE} bytes")).remedy("shorten it"));
    }
    match value.contains('\0') {
        true => Err(Wrong::new("has a zero byte in it").remedy("remove it")),
        false => Ok(()),
    }
}

/// Whether zero is a value that means something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zero {
    Allowed,
    Refused,
}

/// A length of time, [`MAX_INTERVAL`] at most.
pub(super) fn interval(faults: &mut Faults, key: &str, zero: Zero, written: &At<Interval>) -> Duration {
    let wrong = match written.value.0 {
        Duration::ZERO if zero == Zero::Refused => Wrong::new("is zero").remedy("write a duration above zero"),
        long if long > MAX_INTERVAL => {
            Wrong::new(format!("= {} is too long", written.value)).remedy(format!("{} at most", Interval(MAX_INTERVAL)))
        }
        good => return good,
    };
    faults.add(&written.place, key, wrong);
    written.value.0
}

/// A number within a range, both ends included.
pub(super) fn within<T: Leaf + Copy + PartialOrd + std::fmt::Display>(
    faults: &mut Faults,
    key: &str,
    (least, most): (T, T),
    written: &At<T>,
) -> T {
    let value = written.value;
    if value < least || value > most {
        let wrong = Wrong::new(format!("= {value} is out of range")).remedy(format!("{least} to {most}"));
        faults.add(&written.place, key, wrong);
    }
    value
}

/// A number above zero.
pub(super) fn above_zero(faults: &mut Faults, key: &str, written: &At<Count>) -> u32 {
    if written.value.0 == 0 {
        faults.add(&written.place, key, Wrong::new("is zero").remedy("write at least 1"));
    }
    written.value.0
}

/// The size of an instance's memory.
pub(super) fn memory(faults: &mut Faults, key: &str, written: &At<ByteSize>) -> ByteSize {
    if written.value < MIN_MEMORY {
        let wrong = Wrong::new(format!("= {} is too small for any guest", written.value));
        faults.add(&written.place, key, wrong.remedy(format!("{MIN_MEMORY} at least: one page of WebAssembly")));
    }
    written.value
}

/// An amount of fuel above zero.
pub(super) fn fuel(faults: &mut Faults, key: &str, written: &At<Fuel>) -> Fuel {
    if written.value.0 == 0 {
        faults.add(&written.place, key, Wrong::new("is zero").remedy("write an amount such as \"2G\""));
    }
    written.value
}
