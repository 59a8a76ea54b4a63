//! Reaching for memory: all there is, and what others may have left in it.

/// What is planted and looked for. Only ever an operand in the code: it stands in no data.
const SECRET: u64 = 0x5ec2_e7be_a7ed_0b57;

/// Asks for one page after the other until the host refuses, then a thousand times more. Answers how many were given.
#[cfg(target_arch = "wasm32")]
pub fn grow() -> usize {
    let before = std::arch::wasm32::memory_size(0);
    while std::arch::wasm32::memory_grow(0, 1) != usize::MAX {}
    for _ in 0..1000 {
        std::arch::wasm32::memory_grow(0, 1);
    }
    std::arch::wasm32::memory_size(0) - before
}

/// Leaves `mib` MiB of secrets behind.
pub fn plant(mib: usize) {
    std::mem::forget(std::hint::black_box(vec![SECRET; (mib << 20) / 8]));
}

/// Takes all the memory there is and counts the secrets in it.
#[cfg(target_arch = "wasm32")]
pub fn scan() -> usize {
    while std::arch::wasm32::memory_grow(0, 1) != usize::MAX {}
    let end = std::arch::wasm32::memory_size(0) * 65536;
    // SAFETY: every aligned word below the memory's end can be read.
    (8..end).step_by(8).filter(|at| unsafe { (*at as *const u64).read_volatile() } == SECRET).count()
}

#[cfg(not(target_arch = "wasm32"))]
pub fn grow() -> usize {
    0
}

#[cfg(not(target_arch = "wasm32"))]
pub fn scan() -> usize {
    0
}
