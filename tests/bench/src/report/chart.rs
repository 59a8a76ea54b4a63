//! A chart of rates: a group of bars for each section, on a logarithmic scale, as SVG.

use std::fmt::Write as _;

use super::{
    Document, Section,
    markdown::{number, place},
};

const WIDTH: f64 = 960.0;
/// Where bars begin, and how long the longest may be.
const LEFT: f64 = 130.0;
const LONGEST: f64 = 720.0;
const BAR: f64 = 15.0;
const BETWEEN: f64 = 12.0;
/// Title, place and legend.
const TOP: f64 = 110.0;
const BOTTOM: f64 = 34.0;

/// One for each of the figures, in their order: the reference is grey, the host stands out.
const COLOURS: [&str; 6] = ["#9aa3ad", "#1f6feb", "#e36209", "#7fb3ff", "#8250df", "#2da44e"];

/// A figure's name, its colour and its value.
type Bar = (&'static str, &'static str, f64);

/// Draws the sections that have any of the document's bars.
pub(super) fn svg(document: &Document) -> String {
    let groups: Vec<(&Section, Vec<Bar>)> = document
        .sections
        .iter()
        .map(|section| (section, bars(document, section)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let scale = Scale::of(groups.iter().flat_map(|(_, bars)| bars).map(|(.., value)| *value));
    let height = groups.iter().map(|(_, bars)| bars.len() as f64 * BAR + BETWEEN).sum::<f64>() + TOP + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#1f2328\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    head(&mut svg, document, &groups);
    axis(&mut svg, &scale, height);
    let mut y = TOP;
    for (section, bars) in &groups {
        group(&mut svg, section, bars, &scale, y);
        y += bars.len() as f64 * BAR + BETWEEN;
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(document: &Document, section: &Section) -> Vec<Bar> {
    let named = document.bars.iter().zip(COLOURS);
    named.filter_map(|(name, colour)| Some((*name, colour, section.figure(name)?.value?))).collect()
}

/// From value to place, in powers of ten.
struct Scale {
    lowest: i32,
    highest: i32,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let lowest = logs.clone().fold(f64::INFINITY, f64::min).min(2.0).floor() as i32;
        Self { lowest, highest: (logs.fold(0.0, f64::max).ceil() as i32).max(lowest + 1) }
    }

    fn length(&self, value: f64) -> f64 {
        let part = (value.log10() - f64::from(self.lowest)) / f64::from(self.highest - self.lowest);
        part.clamp(0.0, 1.0) * LONGEST
    }
}

fn head(svg: &mut String, document: &Document, groups: &[(&Section, Vec<Bar>)]) {
    let _ = writeln!(
        svg,
        "<text x=\"12\" y=\"24\" font-size=\"17\" font-weight=\"600\">Hello, requests a second (logarithmic scale)</text>"
    );
    // The machine and the host in one line, what it is measured beside in another.
    for (n, line) in place(&document.system, &document.date).split("; ").enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"12\" y=\"{}\" font-size=\"10.5\" fill=\"#57606a\">{}</text>",
            43 + n * 14,
            escaped(line)
        );
    }
    let mut x = 12.0;
    for (name, colour) in document.bars.iter().zip(COLOURS) {
        if groups.iter().any(|(_, bars)| bars.iter().any(|(of, ..)| of == name)) {
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"72\" width=\"11\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"82\">{}</text>",
                x + 16.0,
                escaped(name)
            );
            x += 34.0 + name.len() as f64 * 7.0;
        }
    }
}

fn axis(svg: &mut String, scale: &Scale, height: f64) {
    let end = height - BOTTOM;
    for power in scale.lowest..=scale.highest {
        let x = LEFT + scale.length(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {} V{end}\" stroke=\"#d0d7de\"/><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" \
             fill=\"#57606a\">{}</text>",
            TOP - 8.0,
            end + 18.0,
            number(10_f64.powi(power))
        );
    }
}

fn group(svg: &mut String, section: &Section, bars: &[Bar], scale: &Scale, top: f64) {
    let middle = top + bars.len() as f64 * BAR / 2.0 + 4.0;
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\" font-weight=\"600\">{}</text>",
        LEFT - 10.0,
        escaped(section.case)
    );
    for (n, (name, colour, value)) in bars.iter().enumerate() {
        let (y, length) = (top + n as f64 * BAR, scale.length(*value));
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"><title>{}: {}</title></rect>\
             <text x=\"{:.1}\" y=\"{}\" font-size=\"11\">{}</text>",
            BAR - 3.0,
            escaped(name),
            number(*value),
            LEFT + length + 6.0,
            y + 10.0,
            number(*value)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figure::shown, report::System, rounds::Round};

    #[test]
    fn lengths_are_by_powers_of_ten() {
        let scale = Scale::of([200.0, 90_000.0].into_iter());
        assert_eq!((scale.lowest, scale.highest), (2, 5));
        let lengths = [1.0, 100.0, 1_000.0, 100_000.0].map(|value| (scale.length(value) / LONGEST * 3.0).round());
        assert_eq!(lengths, [0.0, 0.0, 1.0, 3.0]);
    }

    #[test]
    fn a_bar_is_drawn_for_each_figure_that_there_is() {
        let round = |sample: &[(&'static str, f64)]| {
            vec![Round { controls: [1.0; 2], void: false, sample: sample.iter().copied().collect() }]
        };
        let specs = [shown("ours", "req/s"), shown("<theirs>", "req/s")];
        let sections = vec![
            Section::new("both", "Both.", &specs, round(&[("ours", 5_000.0), ("<theirs>", 12_345.0)])),
            Section::new("one", "One.", &specs, round(&[("ours", 700.0)])),
            Section::new("none", "None.", &[shown("size", "MiB")], round(&[("size", 1.0)])),
        ];
        let (system, bars) = (System::read(None), &["ours", "<theirs>"][..]);
        let document =
            Document { scenario: "x", date: String::new(), system, quick: false, side_by_side: &[], bars, sections };
        let svg = svg(&document);
        assert_eq!(svg.matches("<title>").count(), 3, "{svg}");
        assert!(svg.contains("12\u{202f}345") && svg.contains("&lt;theirs&gt;") && !svg.contains(">none<"), "{svg}");
    }
}
