//! The template for Python, as an author meets it: built and served by `dev`, live again after an edit.

use std::{fs, io, path::Path};

use http::Request;
use tempfile::TempDir;
use tokio::time::{Duration, interval, timeout};
use wasmbay::host::Mode;
use wasmbay_tests::{
    client::{Answer, full},
    house::House,
};

use super::{COMPILE_HANG, builds::sdk, open, roomy};

/// The folder of the template.
fn template() -> std::path::PathBuf {
    sdk().join("../templates/python")
}

/// Copies a folder's files with the plugin's name put in.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "__pycache__" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::write(to, fs::read_to_string(path)?.replace("{{name}}", "greeter"))?;
        }
    }
    Ok(())
}

async fn post(house: &House, path: &str, json: &str) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    house.connect().await.send(request.body(full(json.to_owned())).expect("a request")).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_plugin_is_built_served_and_live_again_after_an_edit() {
    let dir = TempDir::new().expect("a folder");
    let plugin = dir.path().join("greeter");
    copy(&template(), &plugin).expect("the template can be copied");
    copy(&sdk(), &plugin.join("wasmbay")).expect("the SDK can be copied");
    let house = open(roomy(), Mode::Dev, dir).await;

    let greeted = house.get("/greeter/hello/Ada?times=2").await;
    assert_eq!(
        (greeted.status.as_u16(), greeted.text()),
        (200, r#"{"greeting":"hello Ada hello Ada"}"#),
        "{:?}",
        house.faults()
    );
    assert_eq!(post(&house, "/greeter/sum", "[1, 2, 3.5]").await.text(), r#"{"sum":6.5}"#);
    assert_eq!(post(&house, "/greeter/sum", "\"no list\"").await.status, 422);
    let problem = house.get("/greeter/half/3").await;
    assert_eq!(
        (problem.status.as_u16(), problem.headers["content-type"].as_bytes()),
        (400, &b"application/problem+json"[..])
    );
    let failed = house.get("/greeter/fail").await;
    assert_eq!((failed.status.as_u16(), failed.text()), (500, "Internal Server Error"));

    let main = plugin.join("main.py");
    let edited = fs::read_to_string(&main).expect("it is there").replace("f\"hello {who}\"", "f\"welcome {who}\"");
    fs::write(&main, edited).expect("it can be written");
    let live = async {
        let mut looks = interval(Duration::from_millis(50));
        loop {
            let answer = house.get("/greeter/hello/Ada").await;
            assert_eq!(answer.status, 200, "serving goes on: {answer:?}");
            if answer.text().contains("welcome Ada") {
                return;
            }
            looks.tick().await;
        }
    };
    let _alone = super::COMPILING.lock().await;
    timeout(COMPILE_HANG, live).await.unwrap_or_else(|_| panic!("the edit is not live: {:?}", house.faults()));
}

/// The example plugin `invoices`, as its README shows it.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_adds_up_an_invoice() {
    let plugins = std::env::var_os("WASMBAY_PLUGINS").expect("WASMBAY_PLUGINS is set: eval \"$(cargo xtask guests)\"");
    let from = Path::new(&plugins).join("invoices");
    let dir = TempDir::new().expect("a folder");
    let to = dir.path().join("invoices");
    fs::create_dir_all(to.join("target")).expect("a folder");
    for file in ["plugin.toml", "target/plugin.wasm"] {
        fs::copy(from.join(file), to.join(file)).expect("the example is built: cargo xtask guests");
    }
    let house = open(roomy(), Mode::Serve, dir).await;
    let readme = include_str!("../../../plugins/invoices/README.md");
    let shown = |before: &str, after: &str| {
        let (_, rest) = readme.split_once(before).expect("the README shows it");
        rest.split(after).next().expect("a part").to_owned()
    };
    let (asked, answered) = (shown("-d \\\n      '", "'"), shown("    # ", "\n"));
    let answer = post(&house, "/invoices/totals", &asked).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, answered.as_str()), "{:?}", house.faults());
    assert_eq!(
        post(&house, "/invoices/totals", &asked.replace("\"quantity\": 3", "\"quantity\": -3")).await.status,
        422
    );
    let table = post(&house, "/invoices/csv?separator=;", &asked).await;
    assert_eq!(table.text(), "text;quantity;price;tax;amount\r\ntea;3;1.15;20;3.45\r\n");
    let page = post(&house, "/invoices/page", &asked.replace("tea", "<tea>")).await;
    assert!(page.text().contains("&lt;tea&gt;") && page.text().contains("<b>4.14</b>"), "{}", page.text());
}
