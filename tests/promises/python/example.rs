//! The example plugin `invoices`, as its README shows it.

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
