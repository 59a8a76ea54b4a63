//! Ways to keep a CPU busy that cost differently per unit of fuel: arithmetic, loads, host calls, fresh pages.
//!
//! Times are nanoseconds of the clock that is passed in; the host may answer in steps of a millisecond.

use std::hint::black_box;

/// Steps of arithmetic between two looks at the clock: tens of microseconds.
const STEPS: u64 = 10_000;

/// `steps` rounds of pure arithmetic: a fixed amount of work, however fast the machine.
pub fn burn(steps: u64) -> u64 {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..steps {
        x = black_box(x ^ (x << 13));
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// Arithmetic for ever.
pub fn for_ever() -> ! {
    loop {
        black_box(burn(STEPS));
    }
}

/// Arithmetic until `nanos` have passed on the clock. Answers how many steps of [`burn`] it was.
pub fn spin(now: impl Fn() -> u64, nanos: u64) -> u64 {
    let start = now();
    let mut steps = 0;
    while now() - start < nanos {
        black_box(burn(STEPS));
        steps += STEPS;
    }
    steps
}

/// Loads from random places in `mib` MiB of memory until `nanos` have passed. Answers how many.
pub fn loads(now: impl Fn() -> u64, nanos: u64, mib: usize) -> u64 {
    let cells = vec![1_u64; (mib.max(1) << 20) / 8];
    let (start, mut at, mut count) = (now(), 1_usize, 0);
    while now() - start < nanos {
        for _ in 0..STEPS {
            // The next place depends on what was loaded, so that loads cannot overlap.
            at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 + cells[at % cells.len()] as usize);
        }
        count += STEPS;
    }
    black_box(at);
    count
}

/// Calls into the host in a loop until `nanos` have passed. Answers how many calls.
pub fn host_calls(now: impl Fn() -> u64, nanos: u64) -> u64 {
    let (start, mut calls) = (now(), 1);
    while now() - start < nanos {
        calls += 1;
    }
    calls
}

/// Takes `mib` MiB of fresh memory and writes to each of its pages. Answers whether there was so much.
pub fn touch_pages(mib: usize) -> bool {
    const PAGE: usize = 4096;
    let mut block: Vec<u8> = Vec::new();
    if block.try_reserve_exact(mib << 20).is_err() {
        return false;
    }
    let start = block.as_mut_ptr();
    for offset in (0..mib << 20).step_by(PAGE) {
        // SAFETY: `offset` lies within the capacity just reserved.
        unsafe { start.add(offset).write_volatile(1) };
    }
    black_box(&mut block);
    // Left in place: the next call then touches fresh pages too.
    std::mem::forget(block);
    true
}

/// Calls itself `depth` times, each with a frame of its own: enough of them fill the stack.
pub fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if depth == 0 { frame[0] } else { black_box(recurse(depth - 1)) + frame[(depth % 32) as usize] }
}
