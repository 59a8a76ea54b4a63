//! What guests can link against: all of WASI 0.2 and, behind the operator's switch, 0.3. Linked is not granted.

use wasmtime::{
    Engine, Result,
    component::{HasData, Linker, ResourceTable},
};
use wasmtime_wasi::p1;
use wasmtime_wasi_http::{p2, p3};
use wasmtime_wasi_io::bindings::wasi::io;

use super::{keys, outlet, sql, state::State, variables};

/// The one set of links of an engine.
///
/// Guests built with a standard library import environment, files and sockets whether they use them or not, so the
/// whole of WASI is linked; [`State`] opens none of it.
pub(super) fn link(engine: &Engine, wasi_http_03: bool) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    link_streams(&mut linker)?;
    p2::add_only_http_to_linker_async(&mut linker)?;
    outlet::link(&mut linker)?;
    variables::link(&mut linker, wasi_http_03)?;
    keys::link(&mut linker, wasi_http_03)?;
    sql::link(&mut linker, wasi_http_03)?;
    if wasi_http_03 {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        p3::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

/// Streams and waiting again, which every guest uses: the engine's own links would have the whole context made for their sake.
fn link_streams(linker: &mut Linker<State>) -> Result<()> {
    struct Table;
    impl HasData for Table {
        type Data<'a> = &'a mut ResourceTable;
    }
    linker.allow_shadowing(true);
    io::error::add_to_linker::<State, Table>(linker, State::table)?;
    io::poll::add_to_linker::<State, Table>(linker, State::table)?;
    io::streams::add_to_linker::<State, Table>(linker, State::table)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The links of preview1 commands. They run as the core modules they are: an adapter around one would keep its state in
/// the command's own memory, which some languages' allocators take for theirs (decision 0040).
pub(super) fn link_commands(engine: &Engine) -> Result<wasmtime::Linker<State>> {
    let mut linker = wasmtime::Linker::new(engine);
    p1::add_to_linker_async(&mut linker, State::preview1)?;
    Ok(linker)
}
