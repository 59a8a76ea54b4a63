//! Requests and responses over the bare interface of wasi:http: a few dozen lines that are yours to change.

use wasip2::{
    http::types::{
        Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    },
    io::streams::StreamError,
};

pub type Incoming = IncomingRequest;
pub type Outcome = ResponseOutparam;

/// Bytes of one read and one write; a blocking write takes no more.
const PIECE: u64 = 4096;

pub struct Request(IncomingRequest);

impl Request {
    pub fn new(request: IncomingRequest) -> Self {
        Self(request)
    }

    /// The route of `plugin.toml` that the request came by.
    pub fn route(&self) -> &'static str {
        // A request has one route, and an instance of the plugin lives for one request.
        self.header("wasmbay-route").unwrap_or_default().leak()
    }

    /// A parameter of the route's path, decoded.
    pub fn param(&self, name: &str) -> String {
        decode(&self.header(&format!("wasmbay-param-{name}")).unwrap_or_default())
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let target = self.0.path_with_query()?;
        let pairs = target.split_once('?')?.1.split('&');
        let (_, value) = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        Some(decode(&value.replace('+', " ")))
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.0.headers().get(name).into_iter().next()?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    /// The whole body.
    pub fn body(self) -> Vec<u8> {
        let mut whole = Vec::new();
        self.each_piece(|piece| whole.extend(piece));
        whole
    }

    fn each_piece(self, mut each: impl FnMut(&[u8])) {
        let body: IncomingBody = self.0.consume().expect("taken once");
        let stream = body.stream().expect("taken once");
        loop {
            match stream.blocking_read(PIECE) {
                Ok(piece) => each(&piece),
                Err(StreamError::Closed) => return,
                Err(error) => panic!("the request broke off: {error}"),
            }
        }
    }
}

pub struct Response {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Response {
    pub fn text(text: String) -> Self {
        Self { status: 200, kind: "text/plain; charset=utf-8", body: text.into() }
    }

    pub fn json(text: String) -> Self {
        Self { status: 200, kind: "application/json", body: text.into() }
    }

    /// An error in the form of RFC 9457. The texts stand in JSON as they are: no quotes in them.
    pub fn problem(status: u16, title: &str, detail: &str) -> Self {
        let problem = format!("{{\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"}}\n");
        Self { status, kind: "application/problem+json", body: problem.into() }
    }

    pub fn send(self, out: ResponseOutparam) {
        let mut body = Body::begin(out, self.status, self.kind);
        body.write(&self.body);
        body.end();
    }
}

/// Sends a request's body back, piece by piece: its size does not matter.
pub fn echo(request: Request, out: ResponseOutparam) {
    let kind = request.header("content-type").unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut body = Body::begin(out, 200, &kind);
    request.each_piece(|piece| body.write(piece));
    body.end();
}

/// A response's body, once the head is out.
struct Body {
    body: OutgoingBody,
    stream: Option<wasip2::io::streams::OutputStream>,
}

impl Body {
    fn begin(out: ResponseOutparam, status: u16, kind: &str) -> Self {
        let headers = Fields::new();
        headers.set("content-type", &[kind.into()]).expect("a header that may be set");
        let response = OutgoingResponse::new(headers);
        response.set_status_code(status).expect("a status");
        let body = response.body().expect("taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = Some(body.write().expect("taken once"));
        Self { body, stream }
    }

    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE as usize) {
            let stream = self.stream.as_ref().expect("open until the end");
            stream.blocking_write_and_flush(piece).expect("the client reads");
        }
    }

    fn end(mut self) {
        // The stream goes before its body is finished.
        self.stream = None;
        OutgoingBody::finish(self.body, None).expect("written to its end");
    }
}

fn decode(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
