//! The table for people.

use std::fmt::Write as _;

use super::{Document, Section, System};
use crate::{
    figure::{Aim, Figure, Fold, Verdict},
    rounds::{Round, VOID_SHARE},
    stats::Latency,
};

/// The whole document.
pub(crate) fn markdown(document: &Document) -> String {
    let mut text = format!("# Bench `{}`\n\n{}\n", document.scenario, place(&document.system, &document.date));
    if document.quick {
        text.push_str("\nA quick run: sizes and times of a smoke test, no record.\n");
    }
    if document.is_drawn() {
        let _ = write!(text, "\n![requests a second]({}.svg)\n", document.scenario);
    }
    if !document.side_by_side.is_empty() {
        text.push_str(&side_by_side(document));
    }
    document.sections.iter().for_each(|part| text.push_str(&section(part)));
    text
}

/// A row for each section, a column for each of these figures.
fn side_by_side(document: &Document) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = document.side_by_side;
    let head = row(std::iter::once("").chain(names.iter().copied()).map(str::to_owned).collect());
    let rule = row(vec!["---".to_owned(); names.len() + 1]);
    let cell = |section: &Section, name: &str| {
        let [_, value, aim, verdict] = section.figure(name).map(figure).unwrap_or_default();
        if aim.is_empty() { value } else { format!("{value} ({aim}: {verdict})") }
    };
    if !document.sections.iter().any(|section| names.iter().any(|name| section.figure(name).is_some())) {
        return String::new();
    }
    let has_any = |section: &&Section| names.iter().any(|name| section.figure(name).is_some());
    let rows = document.sections.iter().filter(has_any).map(|section| {
        let cells = names.iter().map(|name| cell(section, name));
        row(std::iter::once(section.case.to_owned()).chain(cells).collect())
    });
    format!("\n{head}{rule}{}", rows.collect::<String>())
}

/// Where and when, in one line.
pub(super) fn place(system: &System, date: &str) -> String {
    let System { cores, processor, kernel, host, crates, peers } = system;
    let beside = if peers.is_empty() { String::new() } else { format!("; beside {}", peers.join(", ")) };
    format!("{date}, {cores} cores ({processor}), {kernel}, {host}, {}{beside}.", crates.join(", "))
}

fn section(section: &Section) -> String {
    let mut text = format!("\n## {}\n\n{}\n", section.case, section.title);
    if let Some(failure) = &section.failure {
        let _ = write!(text, "\n**Not measured:** {}\n", failure.replace('\n', " "));
        return text;
    }
    let rows: Vec<[String; 4]> = section.figures.iter().map(figure).collect();
    text.push_str(&table(["figure", "value", "aim", ""], &rows));
    if !section.latencies.is_empty() {
        let rows: Vec<[String; 7]> = section.latencies.iter().map(latency).collect();
        text.push_str(&table(["latency, ms", "replies", "p50", "p90", "p99", "p99.9", "max"], &rows));
    }
    let _ = write!(text, "\n{}\n", rounds(&section.rounds));
    section.notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    text
}

fn figure(figure: &Figure) -> [String; 4] {
    let unit = figure.spec.unit;
    let aim = match figure.spec.aim {
        Aim::AtLeast(aim) => format!("≥ {}", with_unit(aim, unit)),
        Aim::AtMost(aim) => format!("≤ {}", with_unit(aim, unit)),
        Aim::Shown => String::new(),
    };
    let verdict = match figure.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "**missed**",
        Verdict::Shown => "",
    };
    let fold = match figure.spec.fold {
        Fold::Median => "",
        Fold::Largest => ", worst",
        Fold::Total => ", in all",
    };
    let value = figure.value.filter(|value| value.is_finite()).map_or("–".to_owned(), |value| with_unit(value, unit));
    [format!("{}{fold}", figure.spec.name), value, aim, verdict.to_owned()]
}

fn latency((name, latency): &(String, Latency)) -> [String; 7] {
    let Latency { count, p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. } = latency;
    [
        name.clone(),
        count.to_string(),
        number(*p50_ms),
        number(*p90_ms),
        number(*p99_ms),
        number(*p999_ms),
        number(*max_ms),
    ]
}

fn rounds(rounds: &[Round]) -> String {
    let controls: Vec<String> =
        rounds.iter().map(|round| round.controls.map(|control| format!("{control:.0}")).join(" / ")).collect();
    let void = rounds.iter().filter(|round| round.void).count();
    let share = VOID_SHARE * 100.0;
    format!(
        "Rounds: {}, of them void: {void} (control over {share:.0} % from the median). Native hello before / after each, req/s: {}.",
        rounds.len(),
        controls.join(", "),
    )
}

/// A Markdown table with its columns lined up, so that it also reads as plain text.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(|column| width(column).max(head[column].chars().count()).max(3));
    let line = |cells: [&str; N]| {
        let padded: Vec<String> = (0..N).map(|n| format!("{:<width$}", cells[n], width = widths[n])).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    let rule: [String; N] = std::array::from_fn(|column| "-".repeat(widths[column]));
    let body: String = rows.iter().map(|row| line(std::array::from_fn(|n| row[n].as_str()))).collect();
    format!("\n{}{}{body}", line(head), line(std::array::from_fn(|n| rule[n].as_str())))
}

/// Three significant digits where there is a fraction, thousands apart.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    let plain = format!("{value:.digits$}");
    let plain = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.').to_owned() } else { plain };
    let Some(split) = plain.len().checked_sub(3).filter(|_| value.abs() >= 10_000.0) else { return plain };
    format!("{}\u{202f}{}", &plain[..split], &plain[split..])
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", number(value)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{at_least, none_of, shown};

    #[test]
    fn columns_line_up_and_no_row_is_lost() {
        let rows = [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "×22".to_owned()]];
        let expected = "\n| name   | n   |\n| ------ | --- |\n| a      | 1   |\n| longer | ×22 |\n";
        assert_eq!(table(["name", "n"], &rows), expected);
    }

    #[test]
    fn numbers_keep_what_matters() {
        let shown: Vec<String> = [0.0, 1.304, 12.34, 99.96, 123.4, 9_999.0, 147_000.0].map(number).into();
        assert_eq!(shown, ["0", "1.3", "12.3", "100", "123", "9999", "147\u{202f}000"]);
    }

    #[test]
    fn a_section_says_what_was_met_and_missed() {
        let sample = [("kept", 97.0), ("resets", 0.0), ("p50", 5.1)].into();
        let specs = [at_least("kept", "%", 98.0), none_of("resets"), shown("p50", "ms")];
        let round = Round { controls: [100.0, 101.0], void: false, sample };
        let text = section(&Section::new("probe", "A probe.", &specs, vec![round]));
        for row in
            ["| kept           | 97 %   | ≥ 98 % | **missed** |", "| resets, in all | 0      | ≤ 0    | met        |"]
        {
            assert!(text.contains(row), "{text}");
        }
        assert!(text.contains("Rounds: 1, of them void: 0") && text.contains("100 / 101"), "{text}");
    }

    #[test]
    fn sections_stand_side_by_side_with_gaps_where_a_figure_is_missing() {
        let round = |name, value| Round { controls: [1.0; 2], void: false, sample: [(name, value)].into() };
        let sections = vec![
            Section::new("rust", "Rust.", &[shown("size", "MiB")], vec![round("size", 0.2)]),
            Section::new("native", "Native.", &[shown("rate", "req/s")], vec![round("rate", 150_000.0)]),
        ];
        let system = System::read(None);
        let side_by_side = &["size", "rate"];
        let document =
            Document { scenario: "x", date: String::new(), system, quick: false, side_by_side, bars: &[], sections };
        let table =
            "|  | size | rate |\n| --- | --- | --- |\n| rust | 0.2 MiB |  |\n| native |  | 150\u{202f}000 req/s |\n";
        assert!(markdown(&document).contains(table), "{}", markdown(&document));
    }

    #[test]
    fn a_case_that_broke_says_why() {
        let error = anyhow::anyhow!("no such file").context("cannot start the host");
        let text = section(&Section::failed("probe", "A probe.", &error));
        assert!(text.contains("**Not measured:** cannot start the host: no such file"), "{text}");
    }
}
