use wasmbay_sdk::prelude::*;

async fn no_attribute() {}

routes!(
    no_attribute, //~ cannot find type `no_attribute`
);

fn main() {}
