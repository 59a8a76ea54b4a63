//! The page of a failure: one file, nothing fetched, nothing run, every word of others escaped.

use std::fmt::{self, Display, Write};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Hit, Report};
use crate::{failure::Failure, front::reply::About, telemetry::RequestId};

const STYLE: &str = include_str!("page.css");

/// The headers of the page in the place of the JSON's. Nothing but this page's own style may take effect on it.
pub(super) fn headers(headers: &mut HeaderMap, id: RequestId) {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        id.as_str()
    );
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).expect("an id is letters and digits"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
}

/// The page as a whole.
pub(super) fn page(failure: &Failure, about: &About<'_>, report: &Report) -> String {
    let mut page = String::new();
    write(&mut page, failure, about, report).expect("memory does not fail");
    page
}

fn write(page: &mut String, failure: &Failure, about: &About<'_>, report: &Report) -> fmt::Result {
    let (row, id) = (failure.code.row(), about.request_id);
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} · wasmbay dev</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style nonce=\"{}\">{STYLE}</style>\
         </head><body><main><header><span class=\"code\">{}</span> <span class=\"status\">{}{}</span><h1>{}</h1>",
        row.name,
        id.as_str(),
        row.name,
        row.status,
        about.plugin.map(|plugin| format!(" · plugin {}", Escaped(plugin))).unwrap_or_default(),
        Escaped(row.title),
    )?;
    if failure.detail != row.title {
        write!(page, "<p>{}</p>", Escaped(&failure.detail))?;
    }
    page.push_str("</header>");
    match (&report.limit, failure.remedy_text()) {
        (Some(hit), remedy) => change(page, hit, remedy.unwrap_or_default())?,
        (None, Some(remedy)) => write!(page, "<section><h2>What to change</h2><p>{}</p></section>", Escaped(remedy))?,
        (None, None) => {}
    }
    if !report.log.is_empty() {
        page.push_str("<section><h2>What it said last</h2><pre>");
        report.log.iter().try_for_each(|line| writeln!(page, "{}", Escaped(line)))?;
        page.push_str("</pre></section>");
    }
    if !report.frames.is_empty() {
        page.push_str("<section><h2>Where the plugin was</h2><ol start=\"0\">");
        report.frames.iter().try_for_each(|frame| write!(page, "<li>{}</li>", Escaped(frame)))?;
        page.push_str("</ol>");
        if report.frames.iter().any(|frame| frame.contains("<wasm function")) {
            page.push_str("<p class=\"dim\">Functions have no names: build without <code>strip = true</code>.</p>");
        }
        page.push_str("</section>");
    }
    facts(page, about, report)?;
    if let Some(inside) = &failure.inside {
        let inside = Escaped(inside);
        write!(
            page,
            "<section><details><summary>The engine's own account</summary><pre>{inside}</pre></details></section>"
        )?;
    }
    page.push_str("<p class=\"dim\">Shown by <code>wasmbay dev</code> alone; other clients get a short answer.</p>");
    page.push_str("</main></body></html>\n");
    Ok(())
}

/// The limit, and its line in the manifest before and after.
fn change(page: &mut String, hit: &Hit, remedy: &str) -> fmt::Result {
    let key = Escaped(&hit.key);
    write!(page, "<section><h2>What to change</h2><p><code>{key}</code> is <strong>{}</strong>.", Escaped(&hit.is))?;
    write!(page, " <span class=\"dim\">Remedy: {}.</span></p>", Escaped(remedy))?;
    if let Some(asked) = &hit.asked {
        let asked = Escaped(asked);
        write!(
            page,
            "<p>The manifest asks for {asked}: a cap of the operator's lowers it, or it is not live yet.</p>"
        )?;
    }
    let file = hit.file.display().to_string();
    match hit.line {
        Some(line) => write!(page, "<p><code>{}:{line}</code></p>", Escaped(&file))?,
        None => write!(page, "<p><code>{}</code>, where nothing says so: it is the default</p>", Escaped(&file))?,
    }
    page.push_str("<pre>");
    match &hit.now {
        Some(now) => write!(page, "<span class=\"out\">- {}</span>", Escaped(now))?,
        None => page.push_str("<span>  [limits]</span>"),
    }
    if let Some(write) = &hit.write {
        write!(page, "<span class=\"in\">+ {}</span>", Escaped(write))?;
    }
    page.push_str("</pre></section>");
    Ok(())
}

fn facts(page: &mut String, about: &About<'_>, report: &Report) -> fmt::Result {
    page.push_str("<section><h2>The request</h2><dl>");
    let mut fact = |name: &str, value: &dyn Display| write!(page, "<dt>{name}</dt><dd>{value}</dd>");
    fact("Request id", &about.request_id.as_str())?;
    if let Some(plugin) = about.plugin {
        fact("Plugin", &Escaped(plugin))?;
    }
    if let Some(lane) = report.lane {
        fact("Lane", &lane)?;
        fact("CPU time used", &format_args!("{:.1} ms", report.used.0.as_secs_f64() * 1000.0))?;
    }
    if let Some(fuel) = report.used.1 {
        fact("Fuel burned", &fuel)?;
    }
    page.push_str("</dl></section>");
    Ok(())
}

/// A text as it may stand between tags and in quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    /// A report every word of which is somebody else's, and means harm.
    fn hostile() -> (Failure, Report) {
        let evil = || "</pre><script>alert('1')</script>\"&".to_owned();
        let failure = Failure::new(Code::Trap, evil()).inside(evil()).remedy(evil());
        let limit = Hit {
            key: evil(),
            is: evil(),
            file: evil().into(),
            line: Some(3),
            now: Some(evil()),
            write: Some(evil()),
            asked: Some(evil()),
        };
        let report = Report { limit: Some(limit), frames: vec![evil()], log: vec![evil()], ..Report::default() };
        (failure, report)
    }

    #[test]
    fn nothing_of_a_guests_words_is_markup() {
        let (failure, report) = hostile();
        let id = RequestId::generate();
        let about = About { request_id: id, plugin: Some("<b>"), report: Some(&report) };
        let text = page(&failure, &about, &report);
        assert!(!text.contains("<script") && !text.contains("<b>") && !text.contains("alert('"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;").count(), 11, "{text}");
        assert_eq!(text.matches("<style").count(), 1);
        for outside in ["http://", "https://", "url(", "@import", "src=", "href="] {
            assert!(!text.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_limit_has_its_line_before_and_after() {
        let limit = Hit {
            key: "limits.cpu".into(),
            is: "20ms".into(),
            file: "plugins/p/plugin.toml".into(),
            line: Some(9),
            now: Some("cpu = \"20ms\"".into()),
            write: Some("cpu = \"40ms\"".into()),
            asked: None,
        };
        let report = Report { limit: Some(limit), lane: Some("io"), ..Report::default() };
        let about = About { request_id: RequestId::generate(), plugin: Some("p"), report: Some(&report) };
        let text = page(&Failure::plain(Code::CpuExhausted), &about, &report);
        for part in ["cpu-exhausted", "plugins/p/plugin.toml:9", "- cpu = &quot;20ms&quot;", "+ cpu = &quot;40ms&quot;"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
