//! Holds an answer against what a check expects.

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde_json::Value;

use crate::config::Expected;

/// Letters of a body that are shown.
const SHOWN: usize = 200;

/// What is otherwise than expected, a line each; last, what else the answer tells.
pub(super) fn differences(expected: &Expected, answer: &Response<Bytes>) -> Vec<String> {
    let mut found = Vec::new();
    if answer.status() != expected.status {
        found.push(format!("status: {}, expected {}", answer.status().as_u16(), expected.status.as_u16()));
    }
    for (name, value) in &expected.headers {
        let values: Vec<_> = answer.headers().get_all(name).iter().collect();
        if !values.contains(&value) {
            let has =
                if values.is_empty() { "missing".to_owned() } else { values.into_iter().map(shown_header).collect() };
            found.push(format!("header {name}: {has}, expected {}", shown_header(value)));
        }
    }
    let body = String::from_utf8_lossy(answer.body());
    if expected.body.as_ref().is_some_and(|wanted| *wanted != body) {
        let wanted = expected.body.as_deref().unwrap_or_default();
        found.push(format!("body: {}, expected {}", shown(&body), shown(wanted)));
    }
    for text in expected.contains.iter().filter(|text| !body.contains(text.as_str())) {
        found.push(format!("body: {}, expected {} in it", shown(&body), shown(text)));
    }
    if let Some(wanted) = &expected.json {
        match serde_json::from_slice::<Value>(answer.body()) {
            Ok(value) => unequal("json", wanted, &value, &mut found),
            Err(error) => found.push(format!("json: the body is none, {error}: {}", shown(&body))),
        }
    }
    if !found.is_empty() {
        found.extend(told(answer.body()));
    }
    found
}

/// Compares JSON: of an object the members that are wanted, of anything else all of it.
fn unequal(path: &str, wanted: &Value, value: &Value, found: &mut Vec<String>) {
    match (wanted, value) {
        (Value::Object(wanted), Value::Object(members)) => {
            for (key, wanted) in wanted {
                let path = format!("{path}.{key}");
                match members.get(key) {
                    Some(value) => unequal(&path, wanted, value, found),
                    None => found.push(format!("{path}: missing, expected {wanted}")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            for (index, (wanted, item)) in wanted.iter().zip(items).enumerate() {
                unequal(&format!("{path}[{index}]"), wanted, item, found);
            }
        }
        // 1 and 1.0 are one number in JSON.
        (Value::Number(wanted), Value::Number(number)) if wanted.as_f64() == number.as_f64() => {}
        (wanted, value) if wanted == value => {}
        (wanted, value) => found.push(format!("{path}: {}, expected {wanted}", cut(&value.to_string()))),
    }
}

/// What a failure's answer tells the author beside its code: the detail, what is inside, the guest's last lines.
fn told(body: &[u8]) -> Vec<String> {
    let Ok(Value::Object(problem)) = serde_json::from_slice(body) else { return Vec::new() };
    if !problem.contains_key("request_id") {
        return Vec::new();
    }
    let text = |key: &str| problem.get(key).and_then(Value::as_str).map(|text| format!("{key}: {text}"));
    let list = |key: &str| {
        let items = problem.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        items.map(|item| format!("{}: {item}", key.trim_end_matches('s'))).collect::<Vec<_>>()
    };
    let texts = ["code", "detail", "remedy"].into_iter().filter_map(text);
    texts.chain(list("frames")).chain(list("log")).collect()
}

fn shown_header(value: &HeaderValue) -> String {
    shown(&String::from_utf8_lossy(value.as_bytes()))
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
    }
}

fn cut(json: &str) -> String {
    match json.char_indices().nth(SHOWN) {
        None => json.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &json[..end], json.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::CheckFile;

    fn judged(expect: &str, answer: Response<&'static str>) -> Vec<String> {
        let text = format!("[[check]]\npath = \"/\"\n[check.expect]\n{expect}\n");
        let check = CheckFile::parse(&text, "c.toml").expect("a good check").checks.remove(0);
        differences(&check.expect, &answer.map(|body| Bytes::from_static(body.as_bytes())))
    }

    fn answer(body: &'static str) -> Response<&'static str> {
        Response::builder().header("x-a", "1").body(body).expect("an answer")
    }

    #[test]
    fn an_answer_as_expected_has_no_differences() {
        let expect = "headers = { x-a = \"1\" }\nbody = '{\"a\":1.0,\"b\":[{\"c\":2,\"d\":3}]}'\n\
                      contains = [\"d\"]\njson = { a = 1, b = [{ c = 2 }] }";
        assert_eq!(judged(expect, answer("{\"a\":1.0,\"b\":[{\"c\":2,\"d\":3}]}")), [""; 0]);
    }

    #[test]
    fn each_difference_is_a_line_that_names_both_sides() {
        let expect = "status = 201\nheaders = { x-a = \"2\", x-b = \"\" }\nbody = \"x\"\ncontains = [\"y\"]\n\
                      json = { a = 2, b = 1, c = [1] }";
        let found = judged(expect, answer("{\"a\":1,\"c\":[1,2]}"));
        let expected = [
            "status: 200, expected 201",
            "header x-a: \"1\", expected \"2\"",
            "header x-b: missing, expected \"\"",
            "body: \"{\\\"a\\\":1,\\\"c\\\":[1,2]}\", expected \"x\"",
            "body: \"{\\\"a\\\":1,\\\"c\\\":[1,2]}\", expected \"y\" in it",
            "json.a: 1, expected 2",
            "json.b: missing, expected 1",
            "json.c: [1,2], expected [1]",
        ];
        assert_eq!(found, expected);
        assert!(judged("json = 1", answer("x"))[0].starts_with("json: the body is none"));
    }

    #[test]
    fn a_failure_tells_what_is_inside() {
        let problem = json!({ "code": "trap", "request_id": "x", "frames": ["main"], "log": ["last words"] });
        let found = told(problem.to_string().as_bytes());
        assert_eq!(found, ["code: trap", "frame: main", "log: last words"]);
    }
}
