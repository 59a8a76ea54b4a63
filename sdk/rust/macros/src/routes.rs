//! `routes!`: the handlers of a plugin, checked against each other.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, Path, Token, parse::Parser, punctuated::Punctuated, spanned::Spanned};

pub(crate) fn expand(names: Tokens) -> syn::Result<Tokens> {
    let listed = Punctuated::<Path, Token![,]>::parse_terminated.parse2(names).map_err(|error| {
        Error::new(error.span(), "`routes!` lists handlers by their names: routes!(list, items::create)")
    })?;
    let names: Vec<Path> = listed.into_iter().collect();
    if names.is_empty() {
        return Err(Error::new(Span::call_site(), "`routes!` lists at least one handler: routes!(hello)"));
    }
    for (at, name) in names.iter().enumerate() {
        if names[..at].iter().any(|other| text(other) == text(name)) {
            return Err(Error::new(name.span(), "the handler is listed twice"));
        }
    }
    Ok(plugin(&names))
}

fn text(name: &Path) -> String {
    name.to_token_stream().to_string()
}

/// The plugin of these handlers, and its exports.
pub(crate) fn plugin(names: &[Path]) -> Tokens {
    let routes =
        names.iter().map(|name| quote_spanned!(name.span() => <#name as ::wasmbay_sdk::__private::Handler>::ROUTE));
    let checks = (1..names.len()).map(|last| {
        quote_spanned! { names[last].span() =>
            const _: () = ::wasmbay_sdk::__private::fits(PLUGIN, #last);
        }
    });
    quote! {
        /// The plugin: what its tests are made with.
        #[allow(dead_code)]
        pub(crate) const PLUGIN: ::wasmbay_sdk::Plugin = ::wasmbay_sdk::__private::plugin(&[#(#routes),*]);
        #(#checks)*
        ::wasmbay_sdk::__export!(PLUGIN);
    }
}
