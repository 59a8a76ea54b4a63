use wasmbay_sdk::prelude::*;

#[get("/items/{id}")]
async fn item() {}

#[get("/items/{name}")]
async fn item_by_name() {}

#[any("/items/{id}")]
async fn other_methods() {}

routes!(
    item,
    item_by_name, //~ a handler that is listed before has the same method and path
    other_methods,
);

fn main() {}
