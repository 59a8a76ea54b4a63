//! What becomes of a handler: the function as it was written, and beside it a type of the same name that tells the
//! router what the function answers and how it is called.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::{format_ident, quote, quote_spanned};
use syn::{Error, FnArg, ItemFn, LitStr, ReturnType, Type, spanned::Spanned};

use crate::pattern;

/// `#[handler]`: the function, and the plugin that consists of it.
pub(crate) fn whole(arguments: Tokens, item: Tokens) -> syn::Result<Tokens> {
    if let Some(argument) = arguments.into_iter().next() {
        return Err(Error::new(
            argument.span(),
            "`#[handler]` takes no arguments; for a path, write `#[get(\"/path\")]` and list the function in `routes!`",
        ));
    }
    let function = function(item)?;
    let route = expand(&function, None, quote!(::core::option::Option::None))?;
    let name = &function.sig.ident;
    let plugin = crate::routes::plugin(&[name.clone().into()]);
    Ok(quote!(#function #route #plugin))
}

/// `#[get("/path")]` and its like.
pub(crate) fn route(attribute: &str, method: Option<&str>, path: Tokens, item: Tokens) -> syn::Result<Tokens> {
    if path.is_empty() {
        let message = format!("`#[{attribute}]` needs a path: #[{attribute}(\"/items/{{id}}\")]");
        return Err(Error::new(Span::call_site(), message));
    }
    let path: LitStr = syn::parse2(path).map_err(|error| {
        Error::new(error.span(), format!("`#[{attribute}]` takes one text: #[{attribute}(\"/items/{{id}}\")]"))
    })?;
    let segments = pattern::expression(&pattern::parse(&path)?);
    let function = function(item)?;
    let text = path.value();
    let pattern = quote!(::core::option::Option::Some(::wasmbay_sdk::__private::Pattern {
        text: #text,
        segments: #segments,
    }));
    let route = expand(&function, method, pattern)?;
    Ok(quote!(#function #route))
}

fn function(item: Tokens) -> syn::Result<ItemFn> {
    let span = item.clone().into_iter().next().map_or(Span::call_site(), |first| first.span());
    let function: ItemFn = syn::parse2(item).map_err(|_| {
        Error::new(span, "a handler is a function: `async fn` for the io lane, `fn` for the compute lane")
    })?;
    let signature = &function.sig;
    let fault = |span, message| Err(Error::new(span, message));
    if let Some(parameter) = signature.generics.params.first() {
        return fault(
            parameter.span(),
            "a handler has no type or lifetime parameters: its arguments own what they hold",
        );
    }
    if let Some(keyword) = &signature.constness {
        return fault(keyword.span(), "a handler is no `const fn`");
    }
    if let Some(keyword) = &signature.unsafety {
        return fault(keyword.span(), "a handler is no `unsafe fn`: requests come from anyone");
    }
    if let Some(abi) = &signature.abi {
        return fault(abi.span(), "a handler is no `extern` function: the SDK exports the plugin");
    }
    Ok(function)
}

/// The type that stands for the function.
fn expand(function: &ItemFn, method: Option<&str>, pattern: Tokens) -> syn::Result<Tokens> {
    let types = argument_types(function)?;
    let (name, visibility, text) = (&function.sig.ident, &function.vis, function.sig.ident.to_string());
    let lane = match function.sig.asyncness {
        Some(_) => quote!(Io),
        None => quote!(Compute),
    };
    let method = match method {
        Some(method) => quote!(::core::option::Option::Some(#method)),
        None => quote!(::core::option::Option::None),
    };
    let (checks, call) = (checks(&types), call(function, &types));
    Ok(quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility struct #name {}

        #checks

        impl ::wasmbay_sdk::__private::Handler for #name {
            const ROUTE: ::wasmbay_sdk::__private::Route = ::wasmbay_sdk::__private::Route {
                name: #text,
                lane: ::wasmbay_sdk::Lane::#lane,
                method: #method,
                pattern: #pattern,
                call: |request| ::std::boxed::Box::pin(async move { #call }),
            };
        }
    })
}

fn argument_types(function: &ItemFn) -> syn::Result<Vec<&Type>> {
    function.sig.inputs.iter().map(argument_type).collect()
}

fn argument_type(argument: &FnArg) -> syn::Result<&Type> {
    match argument {
        FnArg::Typed(typed) => match &*typed.ty {
            Type::Reference(reference) => Err(Error::new(
                reference.span(),
                "a handler's arguments are taken out of the request: take them by value",
            )),
            Type::ImplTrait(unnamed) => Err(Error::new(unnamed.span(), "a handler's arguments have named types")),
            named => Ok(named),
        },
        FnArg::Receiver(receiver) => {
            Err(Error::new(receiver.span(), "a handler is a function of its own, not a method"))
        }
    }
}

/// Constants that do not compile where two arguments want the one body of the request.
fn checks(types: &[&Type]) -> Tokens {
    let checks = (1..types.len()).map(|last| {
        let (before, this) = (&types[..last], types[last]);
        quote_spanned! { this.span() =>
            const _: () = ::wasmbay_sdk::__private::takes_what_is_left(
                &[#(<#before as ::wasmbay_sdk::FromRequest>::TAKES),*],
                <#this as ::wasmbay_sdk::FromRequest>::TAKES,
            );
        }
    });
    quote!(#(#checks)*)
}

/// The place of a type in the author's text, where code stands that the compiler may complain about: a type that is no
/// extractor is shown where it is written. Names in it are the attribute's own, wherever the text came from.
fn place(of: &Type) -> Span {
    of.span().resolved_at(Span::call_site())
}

/// Takes the arguments out of `request`, calls the function, answers what it returns.
fn call(function: &ItemFn, types: &[&Type]) -> Tokens {
    let name = &function.sig.ident;
    let arguments: Vec<_> = (0..types.len()).map(|number| format_ident!("argument{number}")).collect();
    let takes = types.iter().zip(&arguments).map(|(this, argument)| {
        let take = quote_spanned! { place(this) =>
            <#this as ::wasmbay_sdk::FromRequest>::from_request(&mut request).await
        };
        quote! {
            let #argument = match #take {
                ::core::result::Result::Ok(taken) => taken,
                ::core::result::Result::Err(refusal) => return ::wasmbay_sdk::IntoResponse::into_response(refusal),
            };
        }
    });
    let awaited = function.sig.asyncness.map(|_| quote!(.await));
    let respond = match &function.sig.output {
        ReturnType::Default => quote!(::wasmbay_sdk::IntoResponse::into_response(answer)),
        ReturnType::Type(_, output) => {
            quote_spanned!(place(output) => ::wasmbay_sdk::IntoResponse::into_response(answer))
        }
    };
    quote! {
        #[allow(unused_mut, unused_variables)]
        let mut request: ::wasmbay_sdk::Request = request;
        #(#takes)*
        #[allow(clippy::unit_arg, clippy::let_unit_value)]
        let answer = #name(#(#arguments),*)#awaited;
        #respond
    }
}
