//! Guests that mean harm, beside a tenant that must not notice. Each test's name begins with the attack's id; `README.md`
//! lists them.

mod cpu;
mod excess;
mod load;
mod memory;
mod responses;
mod scene;

use std::collections::BTreeSet;

/// What the table of `README.md` says of these tests, and what they are.
#[test]
fn the_table_names_every_test() {
    let sources = [
        include_str!("cpu.rs"),
        include_str!("excess.rs"),
        include_str!("load.rs"),
        include_str!("memory.rs"),
        include_str!("responses.rs"),
    ];
    let tests = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.strip_prefix("async fn ")?.split('(').next().filter(|name| name.starts_with("g_")));
    let tests: BTreeSet<_> = tests.collect();
    let named: BTreeSet<_> = include_str!("README.md").split('`').filter(|word| word.starts_with("g_")).collect();
    assert!(!tests.is_empty());
    assert_eq!(tests, named);
}
