//! Files of a plugin: the host serves `[[static]]`, a guest reads `assets` and nothing else, and both are of one revision.

use std::{fs, io::Read as _, path::Path};

use http::{Method, Request, StatusCode};
use wasmbay_tests::{
    client::{Answer, Connection, Protocol, Sent, empty},
    house::{EVERYWHERE, House, Plugin, settings},
};

const STATIC: &str = "[[static]]\npath = \"/p/web\"\ndir = \"site\"";

/// Writes a plugin's files and then the plugin, so that the host sees either none or all.
fn written(dir: &Path, plugin: &Plugin, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(plugin.folder()).join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    plugin.write(dir).expect("the plugin can be written");
}

async fn serve(plugin: &Plugin, files: &[(&str, &str)]) -> House {
    let dir = tempfile::TempDir::new().expect("a folder");
    written(dir.path(), plugin, files);
    let house = House::over(settings(), dir).await;
    assert!(house.faults().values().all(Vec::is_empty), "{:#?}", house.faults());
    house
}

fn get(path: &str, headers: &[(&str, &str)]) -> Request<Sent> {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    request.body(empty()).expect("a request")
}

async fn ask(house: &House, request: Request<Sent>) -> Answer {
    house.connect().await.send(request).await.expect("an answer")
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_served_with_their_type_and_a_tag_beside_the_plugins_own_routes() {
    let plugin = Plugin::new("p", "io", "http02.wasm").with(STATIC);
    let house =
        serve(&plugin, &[("site/index.html", "<p>home"), ("site/a b/x.css", "p {}"), ("site/data.bin", "\u{1}")]).await;
    let home = house.get("/p/web/").await;
    assert_eq!(
        (home.status, home.text(), header(&home, "content-type")),
        (StatusCode::OK, "<p>home", "text/html; charset=utf-8")
    );
    assert_eq!((header(&home, "cache-control"), header(&home, "x-content-type-options")), ("no-cache", "nosniff"));
    let css = house.get("/p/web/a%20b/x.css").await;
    assert_eq!((css.text(), header(&css, "content-type")), ("p {}", "text/css; charset=utf-8"));
    assert_eq!(header(&house.get("/p/web/data.bin").await, "content-type"), "application/octet-stream");
    assert_eq!(house.get("/p/hello").await.text(), "hello from 0.2\n");
    // Twice the same is said to be the same.
    let tag = header(&home, "etag").to_owned();
    let known = ask(&house, get("/p/web/", &[("if-none-match", &tag)])).await;
    assert_eq!((known.status, known.body.len(), header(&known, "etag")), (StatusCode::NOT_MODIFIED, 0, &*tag));
    for nothing in ["/p/web/gone", "/p/web/a%20b", "/p/web/a%20b/", "/p/web/x.css"] {
        assert_eq!(house.get(nothing).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    let head = ask(&house, Request::head("/p/web/").body(empty()).expect("a request")).await;
    assert_eq!((head.status, header(&head, "content-length"), head.body.len()), (StatusCode::OK, "7", 0));
    // What the host does not answer there goes on to the plugin, which has the rest of the paths.
    let posted =
        ask(&house, Request::builder().method(Method::POST).uri("/p/web/echo").body(empty()).expect("a request")).await;
    assert_eq!(posted.status, StatusCode::OK, "{posted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_in_parts_and_packed() {
    let line = "a line of a style sheet that repeats itself\n";
    let text = line.repeat(20_000);
    let plugin = Plugin::new("p", "io", "http02.wasm").with(STATIC);
    let house = serve(&plugin, &[("site/large.css", &text)]).await;
    for protocol in Protocol::BOTH {
        let mut connection = house.connect_by(protocol).await;
        let mut send = async |headers: &[(&str, &str)]| {
            connection.send(get("/p/web/large.css", headers)).await.expect("an answer")
        };
        let whole = send(&[]).await;
        assert!(
            whole.text() == text
                && header(&whole, "accept-ranges") == "bytes"
                && header(&whole, "vary") == "accept-encoding"
        );
        let part = send(&[("range", "bytes=100000-299999"), ("accept-encoding", "gzip")]).await;
        assert_eq!(
            (part.status, header(&part, "content-range")),
            (StatusCode::PARTIAL_CONTENT, "bytes 100000-299999/880000")
        );
        assert_eq!(part.text(), &text[100_000..300_000]);
        let beyond = send(&[("range", "bytes=880000-")]).await;
        assert_eq!(
            (beyond.status, header(&beyond, "content-range")),
            (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */880000")
        );
        let packed = send(&[("accept-encoding", "gzip")]).await;
        assert_eq!(header(&packed, "content-encoding"), "gzip");
        assert_ne!(header(&packed, "etag"), header(&whole, "etag"));
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).expect("gzip");
        assert!(unpacked == text && packed.body.len() < text.len() / 10);
        let known = send(&[("if-none-match", header(&packed, "etag"))]).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_guest_reads_its_assets_and_nothing_else() {
    for (file, lane) in EVERYWHERE {
        let plugin = Plugin::new("p", lane, file).headed("assets = [\"texts\", \"one.txt\"]");
        let files = [("texts/deep/a.txt", "a text"), ("one.txt", "one"), ("other.txt", "not for the guest")];
        let house = serve(&plugin, &files).await;
        let told = async |behaviour: &str, path: &str| {
            house.get(&format!("/p/{behaviour}?path={path}")).await.text().trim_end().to_owned()
        };
        assert_eq!(told("read", "/texts/deep/a.txt").await, "a text", "{file} {lane}");
        assert_eq!(told("read", "texts/deep/a.txt").await, "a text", "{file} {lane}");
        assert_eq!(told("list", "/").await, "one.txt texts", "{file} {lane}");
        for path in [
            "/other.txt",
            "/plugin.toml",
            "/../other.txt",
            "/texts/../../plugin.toml",
            "/etc/passwd",
            "/proc/self/environ",
        ] {
            let answer = told("read", path).await;
            assert!(answer.starts_with("error: "), "{file} {lane} {path}: {answer}");
        }
        assert_eq!(told("change", "/one.txt").await, ["refused"; 7].join(" "), "{file} {lane}");
        assert_eq!(told("read", "/one.txt").await, "one", "{file} {lane}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_assets_has_no_files() {
    for (file, lane) in EVERYWHERE {
        let house = serve(&Plugin::new("p", lane, file), &[("one.txt", "one")]).await;
        for path in ["/", "/one.txt", "."] {
            let answer = house.get(&format!("/p/read?path={path}")).await.text().to_owned();
            assert!(answer.starts_with("error: "), "{file} {lane} {path}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_another_revision_and_what_began_on_the_old_one_ends_on_it() {
    let plugin = Plugin::new("p", "io", "http02.wasm").with(STATIC).headed("assets = [\"site\"]");
    let old = "old ".repeat(300_000);
    let house = serve(&plugin, &[("site/a.txt", &old), ("site/b.txt", "b of the old")]).await;
    let mut slow = Connection::open(house.host.public(), Protocol::Http1).await.expect("a connection");
    let begun = slow.begin(get("/p/web/a.txt", &[])).await.expect("a head");
    let site = house.dir.path().join("p/site");
    fs::write(site.join("a.txt"), "new").expect("a file");
    fs::remove_file(site.join("b.txt")).expect("a file");
    house.settled().await;
    assert_eq!(house.get("/p/web/a.txt").await.text(), "new");
    assert_eq!(house.get("/p/web/b.txt").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get("/p/read?path=/site/a.txt").await.text().trim_end(), "new");
    let whole = http_body_util::BodyExt::collect(begun.into_body()).await.expect("all of it").to_bytes();
    assert!(whole == old, "{} bytes", whole.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_the_files_is_named_and_what_is_live_stays() {
    let plugin = Plugin::new("p", "io", "http02.wasm").with(STATIC);
    let house = serve(&plugin, &[("site/a.txt", "a")]).await;
    let site = house.dir.path().join("p/site");
    std::os::unix::fs::symlink("/etc/passwd", site.join("link")).expect("a link");
    house.settled().await;
    let faults = house.faults().remove("p").unwrap_or_default();
    assert!(
        faults.iter().any(|fault| fault.contains("assets and static: site/link is neither a file nor a folder")),
        "{faults:?}"
    );
    assert_eq!(house.get("/p/web/a.txt").await.text(), "a");
    assert_eq!(house.get("/p/web/link").await.status, StatusCode::NOT_FOUND);
    fs::remove_file(site.join("link")).expect("a link");
    house.settled().await;
    assert_eq!(house.faults().remove("p"), Some(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_leads_out_of_the_folder() {
    let plugin = Plugin::new("p", "io", "http02.wasm").with(STATIC);
    let house = serve(&plugin, &[("site/in/a.txt", "a"), ("secret.txt", "secret")]).await;
    for path in [
        "/p/web/../secret.txt",
        "/p/web/in/../../secret.txt",
        "/p/web/%2e%2e/secret.txt",
        "/p/web/..%2fsecret.txt",
        "/p/web/in/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/p/web//secret.txt",
        "/p/web/%2fetc/passwd",
        "/p/web/in%5c..%5csecret.txt",
        "/p/web/secret.txt%00.txt",
        "/p/web/%252e%252e/secret.txt",
    ] {
        let answer = house.get(path).await;
        assert!(answer.status.is_client_error() && !answer.text().contains("secret\n"), "{path}: {answer:?}");
        assert!(!answer.text().ends_with("secret"), "{path}: {answer:?}");
    }
    assert_eq!(house.get("/p/web/in/a.txt").await.text(), "a");
}
