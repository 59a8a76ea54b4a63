//! The example plugins in Python, as their READMEs show them.

use std::{fs, path::Path};

use http::Request;
use tempfile::TempDir;
use wasmbay::host::Mode;
use wasmbay_tests::{
    client::{Answer, full},
    house::House,
};

use super::{open, roomy};

async fn post(house: &House, path: &str, json: &str) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    house.connect().await.send(request.body(full(json.to_owned())).expect("a request")).await.expect("an answer")
}

/// Serves an example.
async fn serve(name: &str) -> House {
    let plugins = std::env::var_os("WASMBAY_PLUGINS").expect("WASMBAY_PLUGINS is set: eval \"$(cargo xtask guests)\"");
    let from = Path::new(&plugins).join(name);
    let dir = TempDir::new().expect("a folder");
    let to = dir.path().join(name);
    fs::create_dir_all(to.join("target")).expect("a folder");
    for file in ["plugin.toml", "target/plugin.wasm"] {
        fs::copy(from.join(file), to.join(file)).expect("the example is built: cargo xtask guests");
    }
    open(roomy(), Mode::Serve, dir).await
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_is_rendered_and_nothing_of_it_runs() {
    let house = serve("markdown").await;
    let render = async |path: &str, text: &str| {
        let request = Request::post(path).body(full(text.to_owned())).expect("a request");
        house.connect().await.send(request).await.expect("an answer")
    };
    let readme = include_str!("../../../plugins/markdown/README.md");
    let (_, shown) = readme.split_once("--data-binary '").expect("the README shows it");
    let (asked, rest) = shown.split_once('\'').expect("what is asked");
    let answered = rest.lines().nth(1).expect("what is answered").trim();
    let answer = render("/markdown", asked).await;
    assert_eq!((answer.status.as_u16(), answer.text().trim()), (200, answered), "{:?}", house.faults());
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let table = render("/markdown", "|a|b|\n|-|-|\n|1|~~2~~|\n").await;
    assert!(table.text().contains("<td>1</td>") && table.text().contains("<s>2</s>"), "{table:?}");
    let hostile = render("/markdown", "<script>x</script> [a](javascript:x) <b>").await;
    assert!(!hostile.text().contains("<script") && !hostile.text().contains("href"), "{hostile:?}");
    let page = render("/markdown?page", "text\n\n# A <title>").await;
    assert!(page.text().contains("<title>A &lt;title&gt;</title>"), "{page:?}");
    let request = Request::post("/markdown").body(full(vec![0xff])).expect("a request");
    assert_eq!(house.connect().await.send(request).await.expect("an answer").status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_adds_up_an_invoice() {
    let house = serve("invoices").await;
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
