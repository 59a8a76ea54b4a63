use wasmbay_sdk::prelude::*;

#[get("items")] //~ must begin with a slash
async fn no_slash() {}

#[get] //~ `#[get]` needs a path
async fn no_path() {}

#[post("/{id}/{id}")] //~ the parameter {id} stands twice
async fn twice() {}

#[delete("/items")]
struct Item; //~ a handler is a function

#[get("/items")]
async fn borrows(_: &str) {} //~ take them by value

fn main() {}
