//! Says hello at `/NAME/hello`, made with the SDK.

use wasmbay_sdk::prelude::*;

/// What is answered.
const HELLO: &str = "hello from rust\n";

#[cfg(feature = "compute")]
#[get("/{plugin}/hello")]
fn hello() -> &'static str {
    HELLO
}

#[cfg(not(feature = "compute"))]
#[get("/{plugin}/hello")]
async fn hello() -> &'static str {
    #[cfg(all(feature = "grows", target_arch = "wasm32"))]
    assert_ne!(core::arch::wasm32::memory_grow::<0>(1), usize::MAX, "the host gave no page");
    HELLO
}

routes!(hello);
