//! Compiling in a child process of its own, because compiling hostile code can take any time and memory.
//!
//! One child per component, one at a time: bytes on its stdin, compiled code on its stdout, complaints on its stderr.
//! The child walls itself in before it reads a byte ([`child_main`]); the parent bounds what the child cannot bound
//! ([`Compiler`]).

mod child;
mod parent;
mod walls;

use std::{path::PathBuf, time::Duration};

pub use child::child_main;
pub use parent::{CompileFault, Compiler};

use crate::{config::Lane, guest::EngineSettings, units::ByteSize};

/// The command's name: `EXE compile …`.
pub const COMMAND: &str = "compile";

/// What one compilation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Resident memory, watched by the parent.
    pub memory: u64,
    /// Address space, enforced by the kernel.
    pub address_space: u64,
    /// CPU time over all threads that any component may take.
    pub cpu_base: Duration,
    /// CPU time that each whole MiB of a component adds.
    pub cpu_per_mib: Duration,
    /// CPU time that no component may exceed.
    pub cpu_most: Duration,
    /// Time by the clock, enforced by the parent.
    pub wall: Duration,
    /// Bytes of compiled code, enforced by the parent.
    pub output: u64,
}

impl Default for CompileLimits {
    /// Room for a component with a whole interpreter inside: 45 MiB take 20 to 40 s of CPU time and 700 MiB.
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            // The allocator reserves address space a gibibyte at a time, and each thread has its stack: the resident
            // memory is what costs the machine something; this wall stops a runaway between two looks at it.
            address_space: 6 << 30,
            // Honest code takes 1 to 3 s for each MiB on a slow machine; these leave room for one that is busy besides. A
            // bomb is small for what it takes, and is refused the sooner.
            cpu_base: Duration::from_secs(20),
            cpu_per_mib: Duration::from_secs(8),
            cpu_most: Duration::from_secs(180),
            // For a child that hangs without working: at low priority on a busy machine, an interpreter takes minutes.
            wall: Duration::from_secs(600),
            output: 512 << 20,
        }
    }
}

impl CompileLimits {
    /// CPU time that a component of this size may take, in whole seconds as the kernel counts them, 1 at least.
    fn cpu_seconds(&self, component: &[u8]) -> u64 {
        let mib = u32::try_from(component.len() >> 20).unwrap_or(u32::MAX);
        let grown = self.cpu_base.saturating_add(self.cpu_per_mib.saturating_mul(mib));
        grown.min(self.cpu_most).as_secs().max(1)
    }
}

/// What the child is told on its command line, in the order of the words.
#[derive(Clone, Debug)]
struct Order {
    lane: Lane,
    engine: EngineSettings,
    address_space: u64,
    cpu_seconds: u64,
    /// The component's name: its ending tells text from binary, and it stands in complaints.
    file: PathBuf,
}

const FLAGS: [&str; 8] = [
    "--lane",
    "--wasi-http-03",
    "--max-memory",
    "--io-instances",
    "--compute-instances",
    "--address-space",
    "--cpu-seconds",
    "--file",
];

impl Order {
    fn to_args(&self) -> Vec<String> {
        let Self { lane, engine, address_space, cpu_seconds, file } = self;
        let values = [
            lane.name().to_owned(),
            engine.wasi_http_03.to_string(),
            engine.max_memory.0.to_string(),
            engine.io_instances.to_string(),
            engine.compute_instances.to_string(),
            address_space.to_string(),
            cpu_seconds.to_string(),
            // A name for complaints: what is not UTF-8 in it does not matter.
            file.to_string_lossy().into_owned(),
        ];
        FLAGS.iter().zip(values).flat_map(|(flag, value)| [(*flag).to_owned(), value]).collect()
    }

    /// Reads what [`Order::to_args`] wrote; `None` for anything else.
    fn from_args(args: &[String]) -> Option<Self> {
        let (pairs, []) = args.as_chunks::<2>() else { return None };
        let pairs: &[[String; 2]; FLAGS.len()] = pairs.try_into().ok()?;
        if pairs.iter().zip(FLAGS).any(|([flag, _], wanted)| flag != wanted) {
            return None;
        }
        let [lane, wasi_http_03, max_memory, io_instances, compute_instances, address_space, cpu_seconds, file] =
            pairs.each_ref().map(|[_, value]| value.as_str());
        Some(Self {
            lane: [Lane::Io, Lane::Compute].into_iter().find(|known| known.name() == lane)?,
            engine: EngineSettings {
                wasi_http_03: wasi_http_03.parse().ok()?,
                max_memory: ByteSize(max_memory.parse().ok()?),
                io_instances: io_instances.parse().ok()?,
                compute_instances: compute_instances.parse().ok()?,
            },
            address_space: address_space.parse().ok()?,
            cpu_seconds: cpu_seconds.parse().ok()?,
            file: file.into(),
        })
    }
}

/// The child's exit code when the component is at fault; stderr says how, for the author.
const REFUSED: u8 = 3;

/// The child's exit code when it could not even begin; stderr says why, for the operator.
const BROKEN: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_command_line_and_a_strange_one_is_refused() {
        let engine = EngineSettings {
            wasi_http_03: true,
            max_memory: ByteSize(1 << 27),
            io_instances: 64,
            compute_instances: 8,
        };
        let file = PathBuf::from("a b.wat");
        let order = Order { lane: Lane::Compute, engine, address_space: 1 << 32, cpu_seconds: 60, file };
        let args = order.to_args();
        assert_eq!(format!("{:?}", Order::from_args(&args)), format!("{:?}", Some(order)));
        assert!(Order::from_args(&args[2..]).is_none());
        assert!(Order::from_args(&args.iter().rev().cloned().collect::<Vec<_>>()).is_none());
    }
}
