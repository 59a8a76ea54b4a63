//! Writes random core modules for the fuzz target `component`: `smith COUNT SEED FOLDER`.
//!
//! Most have the imports of a wasi:http 0.2 handler or of a preview1 command, with bodies that call them in any way; some
//! use features that the host does not have. Each carries a random plan (`tests/fuzz/src/component/plan.rs`).

use std::{borrow::Cow, env, error::Error, fs, path::Path};

use arbitrary::Unstructured;
use wasm_encoder::{CustomSection, Encode, Section};
use wasm_smith::{Config, Module};

/// What a handler may import, and what the entry that it gets can call of it.
const HANDLER: &str = include_str!("handler.wat");

/// The same for a command.
const COMMAND: &str = include_str!("command.wat");

/// Bytes that a module is made of; most are used up by function bodies.
const SEED_BYTES: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [count, seed, folder] = arguments.as_slice() else { return Err("usage: smith COUNT SEED FOLDER".into()) };
    let mut random = Random(seed.parse::<u64>()?);
    fs::create_dir_all(folder)?;
    for number in 0..count.parse::<u32>()? {
        let wasm = module(&mut random)?;
        fs::write(Path::new(folder).join(format!("{seed}-{number}")), wasm)?;
    }
    Ok(())
}

fn module(random: &mut Random) -> Result<Vec<u8>, Box<dyn Error>> {
    let bytes = random.bytes(SEED_BYTES);
    let config = config(random.next())?;
    let mut wasm = Module::new(config, &mut Unstructured::new(&bytes))?.to_bytes();
    let length = (random.next() % 200) as usize;
    let plan = random.bytes(length);
    let section = CustomSection { name: Cow::Borrowed("plan"), data: Cow::Borrowed(&plan) };
    wasm.push(section.id());
    section.encode(&mut wasm);
    Ok(wasm)
}

fn config(choice: u64) -> Result<Config, Box<dyn Error>> {
    let shape = match choice % 8 {
        0 => None,
        1..4 => Some(COMMAND),
        _ => Some(HANDLER),
    };
    // One in sixteen may use all there is.
    let all = choice / 8 % 16 == 0;
    Ok(Config {
        module_shape: shape.map(wat::parse_str).transpose()?,
        allow_start_export: choice / 128 % 8 == 0,
        exceptions_enabled: all,
        gc_enabled: all,
        memory64_enabled: all,
        // `externref` needs a garbage collector.
        reference_types_enabled: all,
        relaxed_simd_enabled: all,
        threads_enabled: all,
        compact_imports_enabled: false,
        custom_page_sizes_enabled: all,
        wide_arithmetic_enabled: all,
        max_memories: if all { 4 } else { 1 },
        max_memory32_bytes: if all { 1 << 32 } else { 1 << 21 },
        max_table_elements: if all { 1_000_000 } else { 1000 },
        max_funcs: 12,
        max_types: 24,
        max_instructions: 60,
        ..Config::default()
    })
}

/// SplitMix64: reproducible from its seed, which is all that is asked of it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
