//! The one seam between the SDK and what it runs on: serve a request, send one, wait.

#[cfg(target_family = "wasm")]
mod errors;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
#[cfg(all(target_family = "wasm", feature = "sql"))]
mod sql;
#[cfg(all(target_family = "wasm", not(feature = "wasi03")))]
mod wasi02;
#[cfg(all(target_family = "wasm", feature = "wasi03"))]
mod wasi03;

#[cfg(not(target_family = "wasm"))]
use native as own;
#[cfg(all(target_family = "wasm", not(feature = "wasi03")))]
use wasi02 as own;
#[cfg(all(target_family = "wasm", feature = "wasi03"))]
use wasi03 as own;

use std::time::Duration;

#[cfg(target_family = "wasm")]
pub use own::serve;
pub(crate) use own::{send, state};

#[cfg(all(target_family = "wasm", not(any(feature = "wasi02", feature = "wasi03"))))]
compile_error!("wasmbay-sdk: a plugin speaks one of `wasi02` (a default feature) and `wasi03`");

/// Waits; other requests and other work of this one go on meanwhile. The host's clock has steps of a millisecond.
///
/// In tests no time is waited for: the clock goes on when nothing else can.
pub async fn sleep(duration: Duration) {
    own::sleep(duration).await;
}

/// Says how long the body is, where that is known.
#[cfg(target_family = "wasm")]
fn announce(parts: &mut http::response::Parts, body: &crate::Body) {
    let bodiless = parts.status.is_informational() || matches!(parts.status.as_u16(), 204 | 304);
    if let (Some(length), false) = (body.length(), bodiless || parts.headers.contains_key(http::header::CONTENT_LENGTH))
    {
        parts.headers.insert(http::header::CONTENT_LENGTH, length.into());
    }
}

/// As long as the interface can say.
#[cfg(target_family = "wasm")]
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Exports the plugin, and says of it what `wasmbay check` reads.
#[doc(hidden)]
#[macro_export]
#[cfg(target_family = "wasm")]
macro_rules! __export {
    ($plugin:path) => {
        const _: () = {
            $crate::__export_handler!($plugin);

            #[used]
            #[allow(unsafe_code)]
            #[unsafe(link_section = "wasmbay")]
            static SECTION: [u8; $crate::__private::length($plugin.lane())] =
                $crate::__private::section($plugin.lane());
        };
    };
}

/// On the author's machine there is nothing to export.
#[doc(hidden)]
#[macro_export]
#[cfg(not(target_family = "wasm"))]
macro_rules! __export {
    ($plugin:path) => {};
}
