//! {{name}}: a wasi:http 0.2 component. `plugin.toml` says which requests come here.

mod http;

use http::{Request, Response};

struct Plugin;
wasip2::http::proxy::export!(Plugin);

impl wasip2::exports::http::incoming_handler::Guest for Plugin {
    fn handle(request: http::Incoming, out: http::Outcome) {
        let request = Request::new(request);
        match request.route() {
            "/{{name}}/hello/{who}" => hello(&request).send(out),
            "/{{name}}/sum" => sum(request).send(out),
            "/{{name}}/echo" => http::echo(request, out),
            "/{{name}}/fail" => panic!("nobody catches this: it is a failure of the plugin, and its log says where"),
            _ => Response::problem(404, "Not Found", "There is no such path.").send(out),
        }
    }
}

/// `GET /{{name}}/hello/{who}?times=N`
fn hello(request: &Request) -> Response {
    let times = request.query("times").and_then(|times| times.parse().ok()).unwrap_or(1);
    Response::text(format!("hello {}\n", request.param("who")).repeat(times))
}

/// `POST /{{name}}/sum` with a JSON list of numbers.
fn sum(request: Request) -> Response {
    match numbers(&String::from_utf8_lossy(&request.body())) {
        Some(numbers) => Response::json(format!("{{\"sum\":{}}}\n", numbers.iter().sum::<f64>())),
        None => Response::problem(400, "Bad Request", "The body is not a list of numbers."),
    }
}

/// A list of numbers. For more of JSON, add the crate `serde_json`.
fn numbers(json: &str) -> Option<Vec<f64>> {
    let list = json.trim().strip_prefix('[')?.strip_suffix(']')?;
    list.split(',').map(|number| number.trim().parse().ok()).collect()
}
