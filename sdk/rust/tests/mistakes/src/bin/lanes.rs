use wasmbay_sdk::prelude::*;

#[get("/waits")]
async fn waits() {}

#[get("/computes")]
fn computes() {}

#[get("/items/{id}")]
async fn item() {}

#[get("/items/{name}")]
async fn item_by_name() {}

routes!(
    waits,
    computes, //~ a plugin runs in one lane
    item,
    item_by_name, //~ a handler that is listed before has the same method and path
);

fn main() {}
