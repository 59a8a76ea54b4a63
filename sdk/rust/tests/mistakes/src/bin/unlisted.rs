use wasmbay_sdk::prelude::*;

async fn no_attribute() {}

routes!(
    no_attribute, //~ expected type, found function `no_attribute`
);

fn main() {}
