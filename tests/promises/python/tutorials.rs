//! FastAPI's own tutorial: its examples answer as they do under uvicorn, each asked what its OpenAPI document says it takes,
//! and what it does not.

use serde_json::{Value, json};

use super::{
    REUSED,
    alike::{Asked, compare, request},
    reference::{self, Reference},
    serve,
};

/// One question, made of a document.
#[derive(Clone)]
struct Question {
    method: String,
    path: String,
    kind: String,
    body: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_fastapis_tutorial_answer_as_under_uvicorn() {
    let soak = std::env::var_os("WASMBAY_SOAK").is_some();
    let parts: &[&str] = if soak { &["soak-0", "soak-1", "soak-2", "soak-3"] } else { &["tutorials"] };
    let reasons = include_str!("../../python/soak/differs.txt");
    let differs = |example: &str| reasons.lines().any(|line| line.split(':').next() == Some(example));
    let (mut examples, mut count, mut different) = (0, 0, Vec::new());
    for part in parts {
        let theirs = Reference::uvicorn(part).await;
        let house = serve(part, "io", REUSED).await;
        let names = std::fs::read_to_string(super::applications().join(part).join("examples.txt")).expect("a list");
        for example in names.split_whitespace() {
            for question in questions_of(example, &theirs).await {
                let headers: &[(&str, &str)] =
                    if question.kind.is_empty() { &[] } else { &[("content-type", &question.kind)] };
                let asked: Asked<'_> = (&question.method, &question.path, headers, &question.body);
                let difference = compare(house.host.public(), theirs.addr, asked).await;
                different.extend(difference.filter(|_| !differs(example)));
                count += 1;
            }
            examples += 1;
        }
        println!("up to {part}: {examples} examples, {count} questions, {} answers differ", different.len());
    }
    let least = if soak { (300, 2000) } else { (20, 100) };
    assert!(examples >= least.0 && count >= least.1, "{examples} examples and {count} questions alone");
    assert!(different.is_empty(), "{} of {count} differ:\n{}", different.len(), different.join("\n"));
}

/// What an example is asked, by its OpenAPI document; where it keeps none, its first page.
async fn questions_of(example: &str, theirs: &Reference) -> Vec<Question> {
    let base = format!("/{}", example.replace('.', "/"));
    let document = format!("{base}/openapi.json");
    let (_, _, body) = reference::ask(theirs.addr, request(("GET", &document, &[], ""))).await.expect("a document");
    questions(&base, &serde_json::from_slice(&body).unwrap_or_default())
}

/// The document itself, the pages made of it, and each operation: with what fits, with what does not, with nothing.
fn questions(base: &str, document: &Value) -> Vec<Question> {
    let get = |path: &str| Question::new("GET", format!("{base}{path}"));
    let mut questions = ["/openapi.json", "/docs", "/not-there", "/"].map(get).to_vec();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            for fits in [true, false] {
                let mut question = Question::new(method, format!("{base}{}", filled(path, operation, document, fits)));
                questions.push(question.clone());
                if let Some((kind, body)) = body_of(operation, document, fits) {
                    (question.kind, question.body) = (kind, body);
                    questions.push(question);
                }
            }
        }
    }
    questions
}

impl Question {
    fn new(method: &str, path: String) -> Self {
        Self { method: method.to_uppercase(), path, kind: String::new(), body: String::new() }
    }
}

/// An operation's path and query with values for its parameters.
fn filled(path: &str, operation: &Value, document: &Value, fits: bool) -> String {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = value_of(&parameter["schema"], document, fits);
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace(['[', ']', '"', ' '], "");
        match parameter["in"].as_str() {
            Some("path") => {
                // An empty segment never reaches an application here.
                let text = if text.is_empty() { "-" } else { &text };
                path = path.replace(&format!("{{{name}}}"), text).replace(&format!("{{{name}:path}}"), text)
            }
            Some("query") => query.push(format!("{name}={text}")),
            _ => {}
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// A body of the kind that an operation takes.
fn body_of(operation: &Value, document: &Value, fits: bool) -> Option<(String, String)> {
    let (kind, content) = operation["requestBody"]["content"].as_object()?.iter().next()?;
    let value = value_of(&content["schema"], document, fits);
    let fields = value.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(match kind.as_str() {
        "multipart/form-data" => {
            let part = |(name, value): (&String, &Value)| {
                format!(
                    "--line\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n{}\r\n",
                    text(value)
                )
            };
            ("multipart/form-data; boundary=line".to_owned(), fields.map(part).collect::<String>() + "--line--\r\n")
        }
        "application/x-www-form-urlencoded" => {
            let pairs = fields.map(|(name, value)| format!("{name}={}", text(value)));
            (kind.clone(), pairs.collect::<Vec<_>>().join("&"))
        }
        _ => (kind.clone(), value.to_string()),
    })
}

/// A value that a schema takes, or one that most do not.
fn value_of(schema: &Value, document: &Value, fits: bool) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return value_of(document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null), document, fits);
    }
    for of in ["anyOf", "allOf", "oneOf"] {
        if let Some(first) = schema[of].get(0) {
            return value_of(first, document, fits);
        }
    }
    match (schema["type"].as_str(), fits) {
        (Some("object"), _) => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), value_of(field, document, fits))).collect()
        }
        (Some("array"), _) => json!([value_of(&schema["items"], document, fits)]),
        (Some("string"), true) => string_of(schema),
        (Some("string"), false) => json!(""),
        (Some("boolean"), true) => json!(true),
        (Some("integer" | "number"), true) => json!(3),
        _ => json!("x"),
    }
}

fn string_of(schema: &Value) -> Value {
    let format = match schema["format"].as_str() {
        Some("date-time") => "2030-01-02T03:04:05Z",
        Some("date") => "2030-01-02",
        Some("time") => "03:04:05",
        Some("duration") => "PT5M",
        Some("uuid") => "6f1c2c1e-1f0b-4d4e-9a51-2f8b1c3d4e5f",
        Some("uri") => "https://example.com/a",
        Some("email") => "a@example.com",
        _ => "fixedquery",
    };
    schema["enum"].get(0).or(schema.get("const")).cloned().unwrap_or_else(|| json!(format))
}
