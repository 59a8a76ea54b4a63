//! The examples in the languages that have one each.

use http::Request;
use serde_json::{Value, json};
use wasmbay_tests::{
    client::{Answer, full},
    house::House,
};

use super::{serve, serve_engines, svg};

async fn post(house: &House, path: &str, body: impl Into<String>) -> Answer {
    let request = Request::post(path).body(full(body.into())).expect("a request");
    house.connect().await.send(request).await.expect("an answer")
}

/// What the problem says that is the answer.
fn detail(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().expect("words").to_owned()
}

/// What a README shows below its first command, and that command's own text between these.
fn shown(readme: &str, before: &str, after: &str) -> (String, String) {
    let (_, rest) = readme.split_once(before).expect("a command");
    let (sent, rest) = rest.split_once(after).expect("its end");
    let (_, rest) = rest.split_once('\n').expect("a line's end");
    let answer = rest.lines().map_while(|line| line.strip_prefix("    "));
    (sent.to_owned(), answer.map(|line| format!("{line}\n")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_draws_a_table() {
    let house = serve_engines(&["charts"]).await;
    let (table, _) = shown(include_str!("../../../plugins/charts/README.md"), "--data-binary $'", "' ");
    let answer = post(&house, "/charts?title=Cups%20%26%20more", table.replace("\\n", "\n")).await;
    assert_eq!(answer.headers["content-type"], "image/svg+xml", "{}", answer.text());
    let text = answer.text();
    assert!(
        text.contains(">Cups &amp; more</text>") && text.contains(">tea</text>") && text.contains(">coffee</text>")
    );
    // From 0 to 7 is the picture's height from the bottom up, and three days are its width.
    assert!(text.contains("d=\"M60,222.9C"), "3 of 7: {text}");
    assert!(text.contains(",40\" fill=\"none\""), "7 is the top: {text}");
    assert!(text.contains("d=\"M60,131.4ZM680,85.7Z\""), "a gap: {text}");
    for (table, complaint) in [
        ("day,tea\n1,2\n2,many\n", "Line 3, tea: \"many\" is no number."),
        ("day,tea\n1,2\n2\n", "Line 3 has 1 values, not 2."),
        ("", "The table needs two columns and two rows below their names."),
    ] {
        assert_eq!(detail(&post(&house, "/charts", table).await, 422), complaint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patch_does_all_operations_or_none() {
    let house = serve_engines(&["patch"]).await;
    let (asked, answer) = shown(include_str!("../../../plugins/patch/README.md"), "--json '", "' http");
    assert_eq!(post(&house, "/patch", asked).await.text(), answer.trim_end());
    let patched = async |document: Value, patch: Value| {
        post(&house, "/patch", json!({ "document": document, "patch": patch }).to_string()).await
    };
    // Of RFC 6902's own examples.
    for (document, patch, expected) in [
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            json!({"foo": ["bar", "qux", "baz"]}),
        ),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            json!({"foo": ["bar", "baz"]}),
        ),
        (
            json!({"foo": ["all", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/2"}]),
            json!({"foo": ["all", "eat", "cows"]}),
        ),
        (json!({"/": 9, "~1": 10}), json!([{"op": "test", "path": "/~01", "value": 10}]), json!({"/": 9, "~1": 10})),
        (json!({"foo": 1}), json!([{"op": "replace", "path": "", "value": [2]}]), json!([2])),
        (
            json!({"a": {"b": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/a/c"}]),
            json!({"a": {"b": 1, "c": {"b": 1}}}),
        ),
    ] {
        let answer = patched(document, patch).await;
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).expect("JSON"), expected);
    }
    for (patch, status, pointer) in [
        (json!([{"op": "add", "path": "/b/c", "value": 1}]), 409, "/patch/0"),
        (json!([{"op": "remove", "path": "/a"}, {"op": "test", "path": "/a", "value": 1}]), 409, "/patch/1"),
        (json!([{"op": "move", "from": "/a", "path": "/a/b"}]), 422, "/patch/0"),
        (json!([{"op": "add", "path": "/a"}]), 422, "/patch/0/value"),
        (json!([{"op": "spam", "path": "/a"}]), 422, "/patch/0/op"),
        (json!([{"op": "remove", "path": "a"}]), 422, "/patch/0/path"),
        (json!("all of it"), 422, "/patch"),
    ] {
        let answer = patched(json!({"a": 1}), patch).await;
        detail(&answer, status);
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).expect("JSON")["pointer"], pointer);
    }
    detail(&post(&house, "/patch", "{").await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn pretty_lays_out_json_of_any_size() {
    let house = serve(&["pretty"]).await;
    let (asked, answer) = shown(include_str!("../../../plugins/pretty/README.md"), "--json '", "' ");
    assert_eq!(post(&house, "/pretty?indent=2", asked).await.text(), answer);
    // More than the plugin's memory.
    let item = json!({ "of": "\u{1}\"\\\n\u{1f600}", "all": [true, null, -1.5e300, {}, []] });
    let document = Value::Array(vec![item; 25_000]);
    let text = document.to_string();
    assert!(text.len() > 1 << 20, "{}", text.len());
    let answer = post(&house, "/pretty", text.as_str()).await;
    assert!(answer.text() == format!("{document:#}\n"), "{} bytes", answer.body.len());
    let answer = post(&house, "/pretty?indent=0", answer.text()).await;
    assert!(answer.text() == text + "\n", "{} bytes", answer.body.len());

    assert_eq!(detail(&post(&house, "/pretty", "{\"a\":\n  [1,]}").await, 422), "Line 2, column 6: this is no JSON.");
    assert_eq!(detail(&post(&house, "/pretty", "[1").await, 422), "Line 1, column 3: the document does not end.");
    assert!(detail(&post(&house, "/pretty", "[".repeat(200)).await, 422).contains("more than 128 deep"));
    detail(&post(&house, "/pretty?indent=9", "1").await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn life_goes_on() {
    let house = serve(&["life"]).await;
    let (field, after) = shown(include_str!("../../../plugins/life/README.md"), "--data-binary $'", "' ");
    let field = field.replace("\\n", "\n");
    assert_eq!(post(&house, "/life?generations=4", field.as_str()).await.text(), after);
    let answer = post(&house, "/life.svg?generations=4", field.as_str()).await;
    assert_eq!(answer.headers["content-type"], "image/svg+xml");
    assert_eq!(
        svg::cells(answer.text(), 0),
        after.lines().map(|row| row.chars().map(|c| c == 'O').collect()).collect::<Vec<Vec<_>>>()
    );
    // A glider is one place further after four generations, and where it was once it has been round: over the edges of a
    // field that is wider than what is worked on at once.
    let wide =
        (0..20).map(|row| format!("{:.<37}\n", ["", ".O", "..O", "OOO"].get(row).unwrap_or(&""))).collect::<String>();
    let round = post(&house, &format!("/life?generations={}", 4 * 20), wide.as_str()).await;
    let moved = wide.lines().map(|row| format!("{}{}\n", &row[17..], &row[..17])).collect::<String>();
    assert_eq!(round.text(), moved);

    assert_eq!(detail(&post(&house, "/life", "!nothing\n.O\nOx\n").await, 422), "Row 2, column 2: a cell is . or O.");
    assert!(detail(&post(&house, "/life", "").await, 422).contains("1 to 512 rows"));
    for wrong in ["-1", "1.5", "1001", "many"] {
        detail(&post(&house, &format!("/life?generations={wrong}"), field.as_str()).await, 400);
    }
}
