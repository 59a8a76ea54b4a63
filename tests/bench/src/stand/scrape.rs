//! Metrics in Prometheus' text form, read back.

/// One sample of one series.
#[derive(Clone, Debug, PartialEq)]
struct Series<'a> {
    name: &'a str,
    /// What stands between the braces.
    labels: &'a str,
    value: f64,
}

/// A scraped page.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Of the page's text.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The sum of every series of this name that has all of these labels; `None` when there is no such series.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let has_all = |series: &Series<'_>| wanted.iter().all(|label| series.labels.split(',').any(|has| has == label));
        let all = self.0.lines().filter_map(series).filter(|series| series.name == name);
        all.filter(has_all).map(|series| series.value).reduce(|sum, value| sum + value)
    }
}

/// A line that is neither empty nor a comment. No label of the host's holds a comma or a blank.
fn series(line: &str) -> Option<Series<'_>> {
    let (key, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let (name, labels) = key.split_once('{').unwrap_or((key, ""));
    Some(Series { name, labels: labels.trim_end_matches('}'), value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_name_and_labels() {
        let text = "# HELP cpu x\n# TYPE cpu counter\ncpu{tenant=\"a\",plugin=\"x\"} 1.5\ncpu{tenant=\"a\",plugin=\"y\"} 2\n\
                    cpu{tenant=\"b\",plugin=\"x\"} 4\ncpu_total 9\n";
        let metrics = Metrics::new(text.to_owned());
        assert_eq!(metrics.sum("cpu", &[("tenant", "a")]), Some(3.5));
        assert_eq!(metrics.sum("cpu", &[("tenant", "a"), ("plugin", "y")]), Some(2.0));
        assert_eq!(metrics.sum("cpu_total", &[]), Some(9.0));
        assert_eq!(metrics.sum("cpu", &[("tenant", "c")]), None);
    }
}
