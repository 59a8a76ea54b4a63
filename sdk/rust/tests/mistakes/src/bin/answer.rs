use wasmbay_sdk::prelude::*;

struct Answer;

#[handler]
fn answer(
    _: String,
) -> Answer { //~ `Answer` is no response
    Answer
}

fn main() {}
