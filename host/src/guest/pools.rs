//! How many instance slots this machine holds: asked before the engines are made, since an engine that does not fit
//! fails as a whole.

use std::{fs, io};

use rustix::process::{Resource, getrlimit};

use super::engine::{MEMORIES_PER_COMPONENT, MEMORY_RESERVATION, SPARE_SLOTS};

/// Mappings of one slot: its stack and the guard before it from the start on, and four of a memory that is in use.
/// Measured; a second memory of the few guests that have one is taken from [`SPARE_MAPS`].
const MAPS_PER_SLOT: u64 = 2 + 4;

/// Mappings kept for everything else: threads, the allocator, compiled code, second memories.
const SPARE_MAPS: u64 = 8192;

/// Address space of one slot: its memories, each with the engine's guard of 32 MiB behind it. Stack and tables are small
/// beside them.
const BYTES_PER_SLOT: u64 = MEMORIES_PER_COMPONENT as u64 * (MEMORY_RESERVATION + (32 << 20)) + (16 << 20);

/// Address space that the pools may have where nobody limits it. A program has 128 TiB, the largest hole in it that was
/// found is of 86 TiB, and each lane's pool is one piece.
const ADDRESS_SPACE: u64 = 80 << 40;

/// Address space kept for everything else, where it is limited.
const SPARE_BYTES: u64 = 8 << 30;

/// With fewer slots than these in a lane, plugin calls that nest have none to run in.
const LEAST: u64 = 16;

/// What the machine lets this process have.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Mappings one process may have, and how many this one has.
    pub maps: (u64, u64),
    /// Bytes of address space this process may have, and how many it has; `None` where there is no limit.
    pub address_space: Option<(u64, u64)>,
    /// Files one process may have open; `None` where there is no limit.
    pub open_files: Option<u64>,
}

/// Instance slots of both lanes, as many as the machine holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pools {
    /// Slots of the io lane.
    pub io: u32,
    /// Slots of the compute lane.
    pub compute: u32,
    /// What was made smaller, why, and what to do about it; empty when all that was asked for fits.
    pub notes: Vec<String>,
}

impl Machine {
    /// Reads what Linux says.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn read() -> io::Result<Self> {
        let number = |text: &str| text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        let most = number(&fs::read_to_string("/proc/sys/vm/max_map_count")?)?;
        let used = fs::read("/proc/self/maps")?.iter().filter(|byte| **byte == b'\n').count() as u64;
        let limit = getrlimit(Resource::As).current;
        let pages = fs::read_to_string("/proc/self/statm")?;
        let pages: u64 = number(pages.split(' ').next().unwrap_or_default())?;
        let address_space = limit.map(|limit| (limit, pages * rustix::param::page_size() as u64));
        Ok(Self { maps: (most, used), address_space, open_files: getrlimit(Resource::Nofile).current })
    }

    /// Slots of both lanes together that fit, as far as mappings and as far as address space go.
    fn room(&self) -> (u64, u64) {
        let (most, used) = self.maps;
        let by_maps = most.saturating_sub(used + SPARE_MAPS) / MAPS_PER_SLOT;
        let space = match self.limited_space() {
            Some((limit, used)) => limit.saturating_sub(used + SPARE_BYTES),
            None => ADDRESS_SPACE,
        };
        (by_maps, space / BYTES_PER_SLOT)
    }

    fn limited_space(&self) -> Option<(u64, u64)> {
        self.address_space.filter(|(limit, _)| *limit < ADDRESS_SPACE)
    }

    /// Why there is no room for so many slots, and what to do.
    fn why(&self, slots: u64) -> String {
        let (by_maps, by_space) = self.room();
        if by_maps <= by_space {
            // More mappings than the address space has use for would promise too much.
            let maps = self.maps.1 + SPARE_MAPS + slots.min(by_space) * MAPS_PER_SLOT;
            let (most, enough) = (self.maps.0, maps.next_multiple_of(1024));
            return format!(
                "vm.max_map_count = {most} holds {by_maps} in both lanes: sysctl vm.max_map_count={enough}"
            );
        }
        match self.limited_space() {
            Some(_) => format!("the limit of address space holds {by_space} in both lanes: raise it (ulimit -v)"),
            None => format!("a program's address space holds {by_space} in both lanes: ask for fewer"),
        }
    }
}

impl Pools {
    /// As many slots as are asked for, or fewer: a lane that asks for less than half of what there is gets it all.
    ///
    /// # Errors
    /// When the machine holds not even a few: why, and what to do.
    pub fn fit(io: u32, compute: u32, machine: &Machine) -> Result<Self, String> {
        // The spare slots of both lanes, and the shares of plugin calls that are rounded up.
        let beside = 2 * (u64::from(SPARE_SLOTS) + LEAST);
        let asked = u64::from(io) + u64::from(compute);
        let (by_maps, by_space) = machine.room();
        let Some(free) = by_maps.min(by_space).checked_sub(beside).filter(|free| *free >= 2 * LEAST) else {
            return Err(format!("this machine has no room for instances: {}", machine.why(asked + beside)));
        };
        let smaller = u64::from(io.min(compute)).min(free / 2);
        let larger = u64::from(io.max(compute)).min(free - smaller);
        let (io_given, compute_given) = if io < compute { (smaller, larger) } else { (larger, smaller) };
        let note = |key, asked: u32, given: u64| {
            let why = || machine.why(u64::from(io) + u64::from(compute) + beside);
            (given < asked.into()).then(|| format!("{key} = {asked} is clamped to {given}: {}", why()))
        };
        let notes = [note("io_instances", io, io_given), note("compute_instances", compute, compute_given)];
        // Both are at most what was asked for.
        Ok(Self { io: io_given as u32, compute: compute_given as u32, notes: notes.into_iter().flatten().collect() })
    }

    /// Adds a note when fewer clients can be connected than instances may be alive for them.
    #[must_use]
    pub fn beside_connections(mut self, connections: usize, machine: &Machine) -> Self {
        if let Some(files) = machine.open_files
            && connections < self.io as usize
        {
            self.notes.push(format!(
                "io_instances = {} are more than clients: the limit of open files, {files}, lets {connections} connect: \
                 raise it (ulimit -n, LimitNOFILE=)",
                self.io
            ));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: Machine = Machine { maps: (65_530, 400), address_space: None, open_files: Some(1 << 20) };

    #[test]
    fn the_defaults_fit_a_machine_as_it_comes() {
        let defaults = crate::config::Settings::default();
        let pools = Pools::fit(defaults.io_instances, defaults.compute_instances, &USUAL).expect("they fit");
        assert_eq!(pools, Pools { io: defaults.io_instances, compute: defaults.compute_instances, notes: vec![] });
    }

    #[test]
    fn what_is_too_much_is_clamped_with_the_reason_and_a_remedy_that_holds() {
        let pools = Pools::fit(30_000, 3000, &USUAL).expect("something fits");
        assert!(pools.io > 5000 && pools.compute == 3000 && pools.io < 10_000, "{pools:?}");
        assert_eq!(pools.notes.len(), 1);
        let remedy = pools.notes[0].rsplit("sysctl vm.max_map_count=").next().expect("a remedy");
        let raised = Machine { maps: (remedy.parse().expect("a number"), 400), ..USUAL };
        // With it the address space is the next wall: two memories of 4 GiB for each slot.
        let next = Pools::fit(30_000, 3000, &Machine { maps: (1 << 20, 400), ..USUAL }).expect("more fits");
        assert!(next.io > pools.io && next.notes[0].contains("address space"), "{next:?}");
        assert_eq!(Pools::fit(next.io, 3000, &raised).expect("all of it fits").notes, [""; 0]);
    }

    #[test]
    fn a_limit_of_address_space_is_named() {
        let machine = Machine { address_space: Some((2 << 40, 1 << 30)), ..USUAL };
        let pools = Pools::fit(8192, 512, &machine).expect("something fits");
        assert!(
            (50..100).contains(&pools.io) && pools.io == pools.compute && pools.notes[0].contains("ulimit -v"),
            "{pools:?}"
        );
        let machine = Machine { address_space: Some((16 << 30, 1 << 30)), ..USUAL };
        assert!(Pools::fit(8192, 512, &machine).expect_err("nothing fits").contains("no room"));
    }

    #[test]
    fn too_few_files_for_the_clients_are_named() {
        let pools = || Pools::fit(1000, 10, &USUAL).expect("it fits");
        let machine = Machine { open_files: Some(1024), ..USUAL };
        assert!(pools().beside_connections(768, &machine).notes[0].contains("ulimit -n"));
        assert!(pools().beside_connections(50_000, &machine).notes.is_empty());
    }

    #[test]
    fn this_machine_can_be_read() {
        let machine = Machine::read().expect("Linux says");
        assert!(machine.maps.1 > 10 && machine.maps.0 >= machine.maps.1, "{machine:?}");
    }

    proptest! {
        #[test]
        fn what_is_given_fits_and_is_no_more_than_was_asked(io in 1_u32.., compute in 1_u32.., maps in 9000_u64..10_000_000) {
            let machine = Machine { maps: (maps, 400), ..USUAL };
            if let Ok(pools) = Pools::fit(io, compute, &machine) {
                prop_assert!(pools.io >= 1 && pools.compute >= 1);
                prop_assert!(pools.io <= io && pools.compute <= compute);
                let stacks = u64::from(pools.io) + u64::from(pools.compute) + 2 * u64::from(SPARE_SLOTS);
                prop_assert!(stacks * MAPS_PER_SLOT + SPARE_MAPS + 400 <= maps);
                prop_assert!(stacks * BYTES_PER_SLOT <= ADDRESS_SPACE);
                prop_assert_eq!(pools.notes.is_empty(), pools.io == io && pools.compute == compute);
            }
        }
    }
}
