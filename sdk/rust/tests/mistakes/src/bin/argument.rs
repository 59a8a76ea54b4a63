use wasmbay_sdk::prelude::*;

struct Session;

#[get("/items/{id}")]
async fn item(
    Path(_): Path<u64>,
    _: Session, //~ `Session` cannot be taken out of a request
) -> String {
    String::new()
}

fn main() {}
