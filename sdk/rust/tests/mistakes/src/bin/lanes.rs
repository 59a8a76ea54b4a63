use wasmbay_sdk::prelude::*;

#[get("/waits")]
async fn waits() {}

#[get("/computes")]
fn computes() {}

routes!(
    waits,
    computes, //~ a plugin runs in one lane
);

fn main() {}
