//! The attributes of `wasmbay-sdk`, which shows and documents them.

mod handler;
mod pattern;
mod routes;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;

/// Turns an expansion, or the errors that stand in its place, into the compiler's tokens.
fn finish(expanded: syn::Result<Tokens>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Makes a function the plugin's one handler: it answers every request that the host's routes let through.
///
/// `async fn` is a handler of the io lane, `fn` one of the compute lane; the manifest's `lane` has to say the same. The
/// attribute also defines `PLUGIN`, which the tests of the plugin are made with.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(handler::whole(arguments.into(), item.into()))
}

/// Lists the handlers of a plugin by name, in any order: `routes!(list, item, create)`.
///
/// The most specific route answers: a literal segment goes before a parameter, a parameter before `{*rest}`. All have to
/// be of one lane, all `async fn` or all `fn`. Defines `PLUGIN`, which the tests of the plugin are made with.
#[proc_macro]
pub fn routes(names: TokenStream) -> TokenStream {
    finish(routes::expand(names.into()))
}

macro_rules! methods {
    ($($name:ident: $method:expr, $what:literal;)*) => {
        $(
            #[doc = concat!("Makes a function the handler of ", $what, " requests to a path.")]
            ///
            /// A segment `{name}` is a parameter, `{*rest}` at the end takes all that is left, slashes included.
            /// `routes!` puts the handler into the plugin.
            #[proc_macro_attribute]
            pub fn $name(path: TokenStream, item: TokenStream) -> TokenStream {
                finish(handler::route(stringify!($name), $method, path.into(), item.into()))
            }
        )*
    };
}

methods! {
    get: Some("GET"), "GET and HEAD";
    post: Some("POST"), "POST";
    put: Some("PUT"), "PUT";
    patch: Some("PATCH"), "PATCH";
    delete: Some("DELETE"), "DELETE";
    options: Some("OPTIONS"), "OPTIONS";
    any: None, "all";
}

#[cfg(test)]
mod tests;
