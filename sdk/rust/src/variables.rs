//! Variables and secrets: what the manifest's `[grants.config]` names and the operator hands over.

use crate::{StateError, backend};

/// The value of a variable, which `[grants.config]` of the manifest names: a text, or a secret of the operator's.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/hello")]
/// async fn hello() -> Result<String> {
///     Ok(format!("{}, world", variable("greeting").await?))
/// }
/// routes!(hello);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN).variable("greeting", "good day");
/// assert_eq!(client.get("/hello").text(), "good day, world");
/// ```
///
/// # Errors
/// One that is not granted, with the line that would grant it.
pub async fn variable(name: &str) -> Result<String, StateError> {
    backend::state::variable(name).await
}
