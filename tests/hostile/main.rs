//! Guests and clients that mean harm, beside a tenant that must not notice. Each test's name begins with the attack's id; `README.md`
//! lists them.

mod clients;
mod cpu;
mod excess;
mod frames;
mod load;
mod memory;
mod outbound;
mod requests;
mod responses;
mod scene;

use std::collections::BTreeSet;

/// Whether a word is a test's name, which begins with an attack's id.
fn is_row(word: &&str) -> bool {
    ["g_", "c_", "u_"].iter().any(|row| word.starts_with(row))
}

/// What the table of `README.md` says of these tests, and what they are.
#[test]
fn the_table_names_every_test() {
    let sources = [
        include_str!("clients.rs"),
        include_str!("cpu.rs"),
        include_str!("excess.rs"),
        include_str!("frames.rs"),
        include_str!("load.rs"),
        include_str!("memory.rs"),
        include_str!("outbound/certificates.rs"),
        include_str!("outbound/replies.rs"),
        include_str!("outbound/targets.rs"),
        include_str!("outbound/waits.rs"),
        include_str!("requests.rs"),
        include_str!("responses.rs"),
    ];
    let tests = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.strip_prefix("async fn ")?.split('(').next().filter(is_row));
    let tests: BTreeSet<_> = tests.collect();
    let named: BTreeSet<_> = include_str!("README.md").split('`').filter(is_row).collect();
    assert!(!tests.is_empty());
    assert_eq!(tests, named);
}
