//! Every example plugin answers as its README says.

mod codes;
mod languages;
mod svg;

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, time::SystemTime};

use http::{Method, Request};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use wasmbay::{config::Settings, host::Mode, registry::State};
use wasmbay_tests::{
    client::{Answer, empty, full},
    databases::{Database, Engine, Server},
    house::{House, settings},
    upstream::Upstream,
};

use crate::python::{open, roomy};

/// The variable that names the folder of built example plugins.
const PLUGINS: &str = "WASMBAY_PLUGINS";

/// Serves copies of these plugins.
async fn serve(names: &[&str]) -> House {
    let house = House::over(settings(), copies(names)).await;
    all_live(&house, names.len());
    house
}

/// The same for plugins that bring an engine along, which takes its time to be compiled.
async fn serve_engines(names: &[&str]) -> House {
    let house = open(roomy(), Mode::Serve, copies(names)).await;
    all_live(&house, names.len());
    house
}

/// What a deployment needs of these plugins: of each its manifest and its component.
fn copies(names: &[&str]) -> TempDir {
    let folder = std::env::var_os(PLUGINS);
    let folder = folder.unwrap_or_else(|| panic!("{PLUGINS} is not set: eval \"$(cargo xtask guests)\""));
    let dir = TempDir::new().expect("a folder");
    for name in names {
        let copied = copy(&Path::new(&folder).join(name), &dir.path().join(name));
        copied.unwrap_or_else(|error| panic!("{name} is not built, cargo xtask guests does it: {error}"));
    }
    dir
}

fn all_live(house: &House, count: usize) {
    let status = house.host.behind().registry().status();
    assert!(status.plugins.iter().all(|plugin| plugin.state == State::Live), "{status:#?}");
    assert_eq!(status.plugins.len(), count);
}

/// The README's plugin in Rust, as `cargo xtask guests` built it from the README's text.
#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_that_the_readme_shows_works_as_it_is_shown() {
    let built = std::env::var_os("WASMBAY_README").expect("WASMBAY_README is set: eval \"$(cargo xtask guests)\"");
    let built = Path::new(&built);
    let readme = include_str!("../../README.md");
    for file in ["Cargo.toml", "src/lib.rs", "plugin.toml"] {
        let text = fs::read_to_string(built.join(file)).expect("the example's files are beside its component");
        assert!(readme.contains(&text), "{file} was built from another README: cargo xtask guests builds it anew");
    }
    let dir = TempDir::new().expect("a folder");
    copy(built, &dir.path().join("greet")).expect("the example is built");
    let house = House::over(settings(), dir).await;
    let answer = house.get("/greet/a%20reader").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello, a reader\n"), "{:?}", house.faults());
}

/// Copies what a deployment needs of a plugin.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let manifest = fs::read_to_string(from.join("plugin.toml"))?;
    let component = manifest.lines().find_map(|line| line.strip_prefix("component = \"")?.strip_suffix('"'));
    let component = component.expect("a manifest names its component");
    fs::create_dir_all(to.join(component).parent().expect("a file is in a folder"))?;
    fs::copy(from.join(component), to.join(component))?;
    fs::write(to.join("plugin.toml"), manifest)
}

/// The JSON of a good answer.
fn json(answer: &Answer) -> serde_json::Value {
    assert_eq!((answer.status.as_u16(), answer.headers["content-type"].as_bytes()), (200, &b"application/json"[..]));
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_says_hello() {
    let house = serve(&["hello"]).await;
    let answer = house.get("/hello").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello from wasmbay!\n"));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    let post = Request::post("/hello").body(full("x")).unwrap();
    let refused = house.connect().await.send(post).await.unwrap();
    assert_eq!((refused.status.as_u16(), &refused.headers["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_waits_and_tells_the_time() {
    let house = serve(&["clock"]).await;
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let before = now();
    let told = json(&house.get("/clock?ms=5").await);
    assert!((before..=now()).contains(&told["unix"].as_u64().unwrap()), "{told}");
    assert_eq!(told["waited_ms"], 5, "{told}");
    let time = told["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    for wrong in ["5001", "-1", "soon"] {
        assert_eq!(house.get(&format!("/clock?ms={wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn primes_counts_primes() {
    let house = serve(&["primes"]).await;
    assert_eq!(house.get("/primes/100000").await.text(), "{\"n\":100000,\"primes\":9592}\n");
    for (n, primes) in [(0, 0), (2, 1), (10, 4), (1000, 168)] {
        assert_eq!(json(&house.get(&format!("/primes?n={n}")).await)["primes"], primes, "{n}");
    }
    for wrong in ["1000001", "-1", "many"] {
        assert_eq!(house.get(&format!("/primes/{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mandelbrot_draws_a_png_of_the_size_asked_for() {
    let house = serve(&["mandelbrot"]).await;
    for (width, height) in [(120, 80), (33, 47)] {
        let answer = house.get(&format!("/mandelbrot?x=-0.5&y=0&zoom=1&size={width}x{height}")).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["content-type"]), (200, &"image/png".parse().unwrap()));
        let chunks = png_chunks(&answer.body);
        assert_eq!(chunks.last(), Some(&(*b"IEND", Vec::new())));
        assert_eq!(size_of_png(&answer.body), (width, height));
        assert!(chunks.iter().any(|(kind, data)| kind == b"IDAT" && data.len() > 100), "a picture of nothing");
    }
    assert_eq!(house.get("/mandelbrot?size=100000x100000").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbs_makes_a_picture_smaller_and_survives_a_bomb() {
    let house = serve(&["mandelbrot", "thumbs"]).await;
    let picture = house.get("/mandelbrot?size=120x80").await.body.to_vec();
    let post = async |body: Vec<u8>| {
        let request = Request::post("/thumbs/30").body(full(body)).unwrap();
        house.connect().await.send(request).await.unwrap()
    };
    let small = post(picture.clone()).await;
    assert_eq!((small.status.as_u16(), &small.headers["content-type"]), (200, &"image/png".parse().unwrap()));
    assert_eq!(size_of_png(&small.body), (30, 20));
    // The same picture says that it has 2^62 pixels.
    let mut bomb = picture.clone();
    bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    for (body, status) in [(bomb, 413), (picture[..200].to_vec(), 422), (b"GIF89a".to_vec(), 415)] {
        assert_eq!(post(body).await.status, status);
    }
}

/// What its first chunk says: width and height.
fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    let header = &png_chunks(bytes)[0];
    let number = |at: usize| u32::from_be_bytes(header.1[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(header.0, *b"IHDR");
    (number(0), number(4))
}

/// The chunks of a PNG (ISO/IEC 15948): kind and data of each, with nothing before, between or after them.
fn png_chunks(mut bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    bytes = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("a PNG's signature");
    let mut chunks = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
        let (kind, rest) = rest.split_first_chunk::<4>().expect("a kind");
        let (data, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        chunks.push((*kind, data.to_vec()));
        // The checksum.
        bytes = &rest[4..];
    }
    chunks
}

#[tokio::test(flavor = "multi_thread")]
async fn report_merges_what_primes_counts() {
    let house = serve(&["report", "primes"]).await;
    let told = json(&house.get("/report?low=10000&high=200000").await);
    let expected = serde_json::json!({ "between": 16755, "up_to": { "10000": 1229, "200000": 17984 } });
    assert_eq!(told, expected);
    house
        .until("both calls are counted", |house| {
            house.metrics().contains("wasmbay_requests_total{code=\"ok\",plugin=\"primes\",tenant=\"default\"} 2")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_is_a_small_api() {
    let house = serve(&["items", "primes"]).await;
    assert_eq!(json(&house.get("/items?max_price=15").await).as_array().map(Vec::len), Some(2));
    assert_eq!(json(&house.get("/items/2").await)["name"], "table");
    let unknown = house.get("/items/9").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.headers["content-type"].as_bytes()),
        (404, &b"application/problem+json"[..])
    );
    let new =
        Request::post("/items").header("content-type", "application/json").body(full(r#"{"name":"chair","price":40}"#));
    assert_eq!(house.connect().await.send(new.unwrap()).await.unwrap().status, 201);
    assert_eq!(house.get("/items/2/primes").await.text(), "there are 30 primes up to the price of the table\n");
    let countdown = house.get("/items/countdown?from=2").await;
    assert_eq!(countdown.text(), "data: 2\n\ndata: 1\n\nevent: end\ndata: sold\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_answers_word_by_word() {
    let house = serve(&["chat"]).await;
    let readme = include_str!("../../plugins/chat/README.md");
    let asked = readme.split('\'').nth(3).expect("the README shows what is asked");
    let say = |talk: &str| {
        Request::post("/chat")
            .header("content-type", "application/json")
            .body(full(talk.to_owned()))
            .expect("a request")
    };
    let mut connection = house.connect().await;
    let mut response = connection.begin(say(asked)).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut pieces = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        pieces.push(String::from_utf8(frame.unwrap().into_data().expect("data").to_vec()).unwrap());
    }
    assert!(pieces.len() > 3, "they came together: {pieces:?}");
    let words = ["Why ", "do ", "you ", "need ", "your ", "tea?"];
    let events = words.map(|word| format!("data: {{\"delta\":\"{word}\"}}\n\n")).concat();
    assert_eq!(pieces.concat(), events + "event: done\ndata: \n\n");
    assert!(readme.contains("data: {\"delta\":\"Why \"}\n"), "it shows what comes");
    assert_eq!(house.connect().await.send(say(r#"{"messages":[]}"#)).await.unwrap().status, 422);
    assert!(house.get("/chat").await.text().contains("<form>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_streams_a_body_back() {
    let house = serve(&["echo"]).await;
    let body: Vec<u8> = (0..8 << 20).map(|index: u32| (index / 3) as u8).collect();
    for method in [Method::POST, Method::PUT] {
        let request = Request::builder().method(method).uri("/echo").header("content-type", "image/x-mine");
        let answer = house.connect().await.send(request.body(full(body.clone())).unwrap()).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.headers["content-type"]), (200, &"image/x-mine".parse().unwrap()));
        assert!(answer.body == body, "{} bytes came back", answer.body.len());
    }
    assert_eq!(house.get("/echo").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn env_shows_what_a_command_is_told() {
    let house = serve(&["env"]).await;
    let request = Request::post("/env/some/path?a=1").header("x-mine", "yes").body(full("a body")).unwrap();
    let answer = house.connect().await.send(request).await.unwrap();
    assert_eq!(answer.status, 200);
    let lines: Vec<_> = answer.text().lines().collect();
    for line in [
        "GATEWAY_INTERFACE=CGI/1.1",
        "REQUEST_METHOD=POST",
        "PATH_INFO=/env/some/path",
        "QUERY_STRING=a=1",
        "CONTENT_LENGTH=6",
        "HTTP_X_MINE=yes",
        "body: 6 bytes",
    ] {
        assert!(lines.contains(&line), "{line} is not among {lines:#?}");
    }
    let get = house.connect().await.send(Request::get("/env").body(empty()).unwrap()).await.unwrap();
    assert!(get.text().contains("REQUEST_METHOD=GET\n") && get.text().ends_with("body: 0 bytes\n"), "{get:?}");
}

/// What it answers from rows, from what computes, and from outside is what a job has written back.
#[tokio::test(flavor = "multi_thread")]
async fn forecast_reads_computes_asks_outside_answers_and_writes_back() {
    for name in ["forecast", "forecast-py"] {
        reads_computes_asks_outside_answers_and_writes_back(name, None).await;
    }
}

/// The same component: where the rows are is the operator's word.
#[tokio::test(flavor = "multi_thread")]
async fn forecast_keeps_its_rows_on_a_server_where_the_operator_has_one() {
    let server = Server::shared(Engine::PostgreSql).await;
    for name in ["forecast", "forecast-py"] {
        let database = server.database().await;
        reads_computes_asks_outside_answers_and_writes_back(name, Some(&database)).await;
        let rows = async |sql: &str| server.sql(&database.name, sql).await.expect("the plugin has made the tables");
        assert_eq!(rows("SELECT amount FROM sale WHERE product = 'tea' ORDER BY id").await, "10\n12\n14\n16", "{name}");
        assert_eq!(rows("SELECT amount FROM forecast ORDER BY day").await, "18\n20", "{name}");
    }
}

async fn reads_computes_asks_outside_answers_and_writes_back(name: &str, database: Option<&Database>) {
    let rates = r#"{"amount":1.0,"base":"EUR","rates":{"USD":1.25}}"#;
    let rates = Upstream::saying(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{rates}",
        rates.len()
    ))
    .await;
    let (dir, state) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let built =
        std::env::var_os(PLUGINS).unwrap_or_else(|| panic!("{PLUGINS} is not set: eval \"$(cargo xtask guests)\""));
    for plugin in [name, "trend"] {
        copy(&Path::new(&built).join(plugin), &dir.path().join(plugin)).expect("the example is built");
    }
    // As an operator would who has rates of his own: another address, and the grant for it.
    let manifest = dir.path().join(name).join("plugin.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    assert_eq!(text.matches("https://api.frankfurter.dev").count(), 2, "one grant and one address");
    fs::write(&manifest, text.replace("https://api.frankfurter.dev", &rates.url())).expect("written");
    let mut operators = "private_networks = [\"127.0.0.1\"]\n".to_owned();
    if let Some(database) = database {
        let file = state.path().join("address");
        fs::write(&file, &database.url).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its own file");
        operators +=
            &format!("[secrets]\nDB = {{ file = {file:?} }}\n[databases.sales]\nurl = {{ secret = \"DB\" }}\n");
    }
    let Settings { private_networks, supplies, databases, .. } =
        Settings::parse(&operators, "wasmbay.toml").expect("good settings");
    // What is kept is the test's own; compiled code is everybody's.
    let state = Some(state.path().to_owned());
    let settings = Settings { private_networks, supplies, databases, state, ..roomy() };
    let house = open(settings, Mode::Serve, dir).await;
    assert!(house.faults().values().all(Vec::is_empty), "{:?}", house.faults());

    let post = async |path: &str, body: &'static str| {
        let request = Request::post(format!("/{name}{path}")).header("content-type", "application/json");
        house.connect().await.send(request.body(full(body)).expect("a request")).await.expect("an answer")
    };
    assert_eq!(house.get(&format!("/{name}/tea")).await.status, 404, "nothing was sold");
    for amounts in ["[10, 12]", "[14, 16]"] {
        let answer = post("/tea/sales", amounts).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    let told = json(&house.get(&format!("/{name}/tea?days=2")).await);
    let expected = serde_json::json!({
        "product": "tea", "next": [18.0, 20.0], "low": [18.0, 20.0], "high": [18.0, 20.0], "in_usd": [22.5, 25.0]
    });
    assert_eq!(told, expected);
    assert!(rates.heads()[0].starts_with("GET /v1/latest?base=EUR&symbols=USD "), "{:?}", rates.heads());
    // The job has run, once, and what it wrote is there.
    let done = format!("wasmbay_job_attempts_total{{how=\"done\",plugin=\"{name}\",tenant=\"default\"}} 1");
    house.until("the job is done", |house| house.metrics().contains(&done)).await;
    assert_eq!(json(&house.get(&format!("/{name}/tea/kept")).await), told["next"]);
    assert_eq!(post("/tea/keep", "[1]").await.status, 404, "nobody but a job keeps forecasts");
    // Without rates there is an answer all the same.
    drop(rates);
    assert_eq!(json(&house.get(&format!("/{name}/tea?days=2")).await)["in_usd"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn trend_continues_a_series() {
    let house = serve(&["trend"]).await;
    let ask = async |body: &'static str| {
        let request = Request::post("/trend").header("content-type", "application/json").body(full(body));
        house.connect().await.send(request.expect("a request")).await.expect("an answer")
    };
    let told = json(&ask(r#"{"values": [10, 12, 13, 15], "ahead": 2}"#).await);
    assert_eq!(told["next"], serde_json::json!([16.5, 18.1]));
    let at = |bound: &str| told[bound][0].as_f64().expect("a number");
    assert!(at("low") < at("next") && at("next") < at("high"), "{told}");
    assert_eq!(ask(r#"{"values": [1], "ahead": 2}"#).await.status, 422);
}
