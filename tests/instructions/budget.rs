//! What a request may take, kept beside this file.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// Instructions by kind, and how much more than that is still within.
#[derive(serde::Deserialize)]
pub(crate) struct Budget {
    tolerance_percent: u64,
    instructions: BTreeMap<String, u64>,
}

const HEAD: &str = "\
# Instructions that one request takes in the debug profile, counted one by one. To write them anew:
#   WASMBAY_WRITE_INSTRUCTIONS=1 cargo xtask test a_request_takes
tolerance_percent = 5

[instructions]
";

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/instructions/budget.toml"))
}

impl Budget {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(file()).expect("the budget lies beside its test");
        toml::from_str(&text).expect("the budget is what the test wrote")
    }

    /// Whether so many are within what this kind may take.
    pub(crate) fn holds(&self, kind: &str, count: u64) -> bool {
        let budget = self.instructions.get(kind);
        budget.is_some_and(|budget| count * 100 <= budget * (100 + self.tolerance_percent))
    }

    /// A line for each count that is past its budget, or has none. One that is far below is told, so that the gain is kept.
    pub(crate) fn over(&self, counted: &[(&str, u64)]) -> Vec<String> {
        let mut over = Vec::new();
        for (kind, count) in counted {
            let Some(budget) = self.instructions.get(*kind).copied() else {
                over.push(format!("{kind}: {count} instructions, and no budget"));
                continue;
            };
            let change = (*count as f64 / budget as f64 - 1.0) * 100.0;
            println!("{kind}: {count} instructions a request, {change:+.1} % of the budget");
            if !self.holds(kind, *count) {
                over.push(format!(
                    "{kind}: {count} instructions a request, {change:.1} % above the budget of {budget}"
                ));
            }
        }
        over
    }
}

/// Writes what was counted as the budget.
pub(crate) fn write(counted: &[(&str, u64)]) {
    let lines = counted.iter().map(|(kind, count)| format!("{kind} = {count}\n"));
    fs::write(file(), format!("{HEAD}{}", lines.collect::<String>())).expect("the budget can be written");
}

#[test]
fn a_count_past_its_budget_is_told_and_one_without_a_budget_too() {
    let budget = Budget { tolerance_percent: 5, instructions: BTreeMap::from([("a".to_owned(), 1_000)]) };
    assert!(budget.over(&[("a", 1_050)]).is_empty() && budget.over(&[("a", 10)]).is_empty());
    assert_eq!(budget.over(&[("a", 1_051), ("b", 1)]).len(), 2);
}
