use wasmbay_sdk::prelude::*;

#[post("/twice")]
async fn twice(
    _: String,
    _: Bytes, //~ an argument before takes the body, of which there is one
) {
}

#[post("/rest")]
async fn rest(
    _: Request,
    _: Method, //~ `Request` takes everything: it must be the last argument
) {
}

fn main() {}
