//! Every language: `wasmbay new`, build, serve, requests answered, an edit goes live.
//!
//! The toolchains are those that `cargo xtask guests` fetched; the commands are the built binary's, as an author types
//! them.

pub(crate) mod author;
mod go;
mod javascript;
mod spin;

use author::{Author, Failing, Language};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use wasmbay_tests::client::{Answer, Sent, empty, full};

/// The plugin's name in every language.
const NAME: &str = "my-plugin";

const C: Language = Language {
    name: "c",
    edit: ("src/main.c", "hello %s", "welcome %s"),
    failing: Failing::Trap,
    traceback: &["main.c: this always fails", "!fail"],
};

const ZIG: Language = Language {
    name: "zig",
    edit: ("src/main.zig", "hello {s}", "welcome {s}"),
    failing: Failing::Trap,
    traceback: &["nobody catches this", "!_start"],
};

const ASSEMBLYSCRIPT: Language = Language {
    name: "assemblyscript",
    edit: ("src/main.ts", "\"hello \"", "\"welcome \""),
    failing: Failing::Trap,
    traceback: &["abort: nobody catches this in src/main.ts("],
};

const RUST: Language = Language {
    name: "rust",
    edit: ("src/lib.rs", "hello {who}", "welcome {who}"),
    failing: Failing::Trap,
    traceback: &["panicked at src/lib.rs:", "nobody catches this"],
};

const GO: Language = Language {
    name: "go",
    edit: ("main.go", "hello %s", "welcome %s"),
    failing: Failing::Trap,
    traceback: &["panic: nobody catches this", "main.fail("],
};

const JAVASCRIPT: Language = Language {
    name: "javascript",
    edit: ("src/index.js", "hello ${who}", "welcome ${who}"),
    failing: Failing::Answered,
    traceback: &["Uncaught Error: nobody catches this", "fetch@"],
};

const TYPESCRIPT: Language = Language {
    name: "typescript",
    edit: ("src/index.ts", "hello ${who}", "welcome ${who}"),
    failing: Failing::Answered,
    traceback: &["Uncaught Error: nobody catches this", "fetch@"],
};

const PYTHON: Language = Language {
    name: "python",
    edit: ("main.py", "hello {who}", "welcome {who}"),
    failing: Failing::Framework("Internal Server Error"),
    traceback: &["Traceback (most recent call last)", "main.py\\\", line ", "RuntimeError: nobody catches this"],
};

/// A test for each language.
macro_rules! languages {
    ($($name:ident: $language:expr),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() -> anyhow::Result<()> {
            from_new_to_live(&$language).await
        }
    )+};
}

languages! {
    c: C,
    zig: ZIG,
    assemblyscript: ASSEMBLYSCRIPT,
    rust: RUST,
    go: GO,
    javascript: JAVASCRIPT,
    typescript: TYPESCRIPT,
    python: PYTHON,
}

/// The whole way of one plugin in one language.
async fn from_new_to_live(language: &Language) -> anyhow::Result<()> {
    let author = Author::begins(language.name, NAME).await?;
    author.builds().await?;
    author.checks_pass().await?;
    let mut host = author.serves().await?;

    let answer = ask(&host, get("/hello/Ada%20L?times=2&x=1")).await?;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello Ada L\nhello Ada L\n"));
    let answer = ask(&host, post("/sum", "application/json", "[1, 2.5,3]")).await?;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(json_of(&answer), json!({ "sum": 6.5 }));

    let answer = ask(&host, post("/sum", "application/json", "{\"not\": \"a list\"}")).await?;
    // JSON that is not what was asked for: frameworks differ on which of the two says so.
    assert!([400, 422].contains(&answer.status.as_u16()), "{answer:?}");
    assert_eq!(answer.headers["content-type"], problem_type());
    let problem = json_of(&answer);
    assert_eq!(problem["status"], json!(answer.status.as_u16()));
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");

    let body: Vec<u8> = (0..1_000_000_u32).map(|index| (index / 7) as u8).collect();
    let answer = ask(&host, post("/echo", "image/x-mine", body.clone())).await?;
    assert_eq!((answer.status.as_u16(), answer.headers["content-type"].as_bytes()), (200, &b"image/x-mine"[..]));
    assert!(answer.body == body, "{} bytes came back", answer.body.len());

    let answer = ask(&host, get("/fail")).await?;
    assert_eq!(answer.status.as_u16(), 500);
    match language.failing {
        Failing::Framework(text) => assert_eq!(answer.text(), text),
        Failing::Trap | Failing::Answered => {
            assert_eq!(answer.headers["content-type"], problem_type());
            let problem = json_of(&answer);
            assert_eq!(problem["code"] == "trap", language.failing == Failing::Trap, "{problem}");
        }
    }
    host.logs(language.traceback).await?;

    author.edits(language.edit)?;
    author.builds().await?;
    host.until_it_says(get("/hello/Ada"), "welcome Ada\n").await?;
    host.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn text() -> anyhow::Result<()> {
    let author = Author::begins("text", NAME).await?;
    author.builds().await?;
    author.checks_pass().await?;
    let host = author.serves().await?;
    let answer = ask(&host, get("")).await?;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello from text!\n"));
    let refused = ask(&host, post("", "text/plain", "x")).await?;
    assert_eq!(refused.problem()["code"], "method-not-allowed");
    author.edits(("plugin.wat", "hello from text!", "again from text!"))?;
    host.until_it_says(get(""), "again from text!\n").await?;
    host.ends().await
}

/// Serves what the README shows as a first plugin in this language, in the place of the template's `file`.
async fn of_the_readme(title: &str, language: &str, file: &str) -> anyhow::Result<(Author, author::Host)> {
    let heading = format!("## A first plugin, in {title}\n");
    let (_, section) = include_str!("../../README.md").split_once(&heading).expect("a section");
    let (_, source) = section.split_once("```").and_then(|(_, rest)| rest.split_once('\n')).expect("a source");
    let (source, _) = source.split_once("```").expect("its end");
    assert!(source.lines().count() <= 15, "{source}");
    let author = Author::begins(language, "greeter").await?;
    author.writes(file, source)?;
    author.builds().await?;
    let host = author.serves().await?;
    Ok((author, host))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_plugin_in_javascript_answers() -> anyhow::Result<()> {
    let (_author, host) = of_the_readme("JavaScript", "javascript", "src/index.js").await?;
    assert_eq!(
        ask(&host, Request::get("/greeter/hello/Ada?times=2").body(empty())?).await?.text(),
        "hello Ada\nhello Ada\n"
    );
    host.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_plugin_in_go_answers() -> anyhow::Result<()> {
    let (_author, host) = of_the_readme("Go", "go", "main.go").await?;
    assert_eq!(ask(&host, Request::get("/greeter/Ada").body(empty())?).await?.text(), "hello Ada\n");
    host.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_plugin_in_python_answers() -> anyhow::Result<()> {
    let (_author, host) = of_the_readme("Python", "python", "main.py").await?;
    let answer = ask(&host, Request::get("/greeter/Ada?times=2").body(empty())?).await?;
    assert_eq!(json_of(&answer), json!({ "greeting": "hello Ada hello Ada" }));
    let unprocessable = ask(&host, Request::get("/greeter/Ada?times=x").body(empty())?).await?;
    assert_eq!(unprocessable.status.as_u16(), 422);
    host.ends().await
}

#[tokio::test]
async fn a_check_that_fails_is_told_with_what_came_instead() -> anyhow::Result<()> {
    let author = Author::begins("text", NAME).await?;
    author.edits(("checks/answers.toml", "hello from text!", "hello from nobody!"))?;
    let (code, report) = author.tests(&[]).await?;
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("FAILED says hello (checks/answers.toml:2)"), "{report}");
    assert!(report.contains("body: \"hello from text!\\n\", expected \"hello from nobody!\\n\""), "{report}");
    assert!(report.contains("1 passed, 1 failed"), "{report}");
    author.edits(("checks/answers.toml", "[check.expect]", "[check.expects]"))?;
    let (code, report) = author.tests(&["--json"]).await?;
    let report: Value = serde_json::from_str(&report)?;
    let fault = report["plugins"][0]["faults"][0].as_str().unwrap_or_default();
    assert!(code == Some(1) && fault.ends_with("(did you mean `check.expect`?)"), "{report:#}");
    Ok(())
}

#[tokio::test]
async fn what_a_build_lacks_is_named_with_the_command_that_installs_it() -> anyhow::Result<()> {
    let author = Author::begins("c", NAME).await?;
    author.edits(("plugin.toml", "-m ziglang", "-m no_such_compiler"))?;
    let (code, _, told) = author.tries_to_build().await?;
    assert_eq!(code, Some(1));
    let remedy =
        "the Python module `no_such_compiler` is missing; to install it: python3 -m pip install no-such-compiler";
    assert!(told.contains(remedy), "{told}");
    Ok(())
}

async fn ask(host: &author::Host, request: Request<Sent>) -> anyhow::Result<Answer> {
    host.connect().await?.send(request).await
}

fn get(path: &str) -> Request<Sent> {
    Request::get(format!("/{NAME}{path}")).body(empty()).expect("a request")
}

fn post(path: &str, kind: &str, body: impl Into<Bytes>) -> Request<Sent> {
    Request::post(format!("/{NAME}{path}")).header("content-type", kind).body(full(body)).expect("a request")
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn problem_type() -> http::HeaderValue {
    http::HeaderValue::from_static("application/problem+json")
}
