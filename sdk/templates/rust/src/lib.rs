//! {{name}}: `plugin.toml` says which requests come here, `routes!` which function answers.

use wasmbay_sdk::prelude::*;

#[derive(Deserialize)]
struct Greeting {
    times: Option<usize>,
}

#[derive(Deserialize, Serialize)]
struct Sum {
    sum: f64,
}

/// `GET /{{name}}/hello/{who}?times=N`
#[get("/{{name}}/hello/{who}")]
async fn hello(Path(who): Path<String>, Query(greeting): Query<Greeting>) -> String {
    format!("hello {who}\n").repeat(greeting.times.unwrap_or(1))
}

/// `POST /{{name}}/sum` with a JSON list of numbers.
#[post("/{{name}}/sum")]
async fn sum(Json(numbers): Json<Vec<f64>>) -> Json<Sum> {
    Json(Sum { sum: numbers.iter().sum() })
}

/// Sends a request's body back, piece by piece: its size does not matter.
#[post("/{{name}}/echo")]
async fn echo(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    if let Some(kind) = headers.get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    response
}

/// Nobody catches this: it is a failure of the plugin, and its log says where.
#[get("/{{name}}/fail")]
async fn fail() -> String {
    panic!("nobody catches this")
}

routes!(hello, sum, echo, fail);

#[cfg(test)]
mod tests {
    use wasmbay_sdk::testing::Client;

    use super::*;

    #[test]
    fn greets_and_adds() {
        let client = Client::new(PLUGIN);
        assert_eq!(client.get("/{{name}}/hello/Ada?times=2").text(), "hello Ada\nhello Ada\n");
        assert_eq!(client.post_json("/{{name}}/sum", &[1.0, 2.5]).json::<Sum>().sum, 3.5);
    }
}
