//! The stream into which a 0.2 guest writes a body: it has room for a piece, and pieces grow as they are taken.

use bytes::Bytes;
use wasmtime::{
    Error, Result, StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;

use super::state::State;
use crate::body::pieces::Pace;

/// The most that there is ever room for.
pub(super) const MOST: usize = 64 << 10;

/// A stream with room for no more than the next piece.
pub(super) struct Outlet {
    inner: Box<dyn OutputStream>,
    pace: Pace,
    /// What the guest was told that there is room for, less what it has written since.
    room: usize,
}

impl Outlet {
    /// `inner` takes a piece only once its reader has taken those before, but for one or two.
    pub(super) fn new(inner: Box<dyn OutputStream>, pace: Pace) -> Self {
        Self { inner, pace, room: 0 }
    }
}

impl OutputStream for Outlet {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let length = bytes.len();
        self.room = self
            .room
            .checked_sub(length)
            .ok_or_else(|| StreamError::Trap(Error::msg("a write of more than there was room for")))?;
        self.inner.write(bytes)?;
        self.pace.took(length);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.room = self.inner.check_write()?.min(self.pace.piece());
        Ok(self.room)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Outlet {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

/// Puts an [`Outlet`] where the engine's own `outgoing-body.write` would hand out its stream as it is.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let linked = linker.instance(TYPES)?.func_wrap("[method]outgoing-body.write", write);
    linker.allow_shadowing(false);
    linked
}

/// By this name the engine links it; to guests of other versions of 0.2 as well.
const TYPES: &str = "wasi:http/types@0.2.12";

type Written = (Result<Resource<DynOutputStream>, ()>,);

fn write(mut store: StoreContextMut<'_, State>, (body,): (Resource<HostOutgoingBody>,)) -> Result<Written> {
    let state = store.data_mut();
    let pace = state.desk.errand().pace.clone();
    let table = state.table();
    let Some(inner) = table.get_mut(&body)?.take_output_stream() else { return Ok((Err(()),)) };
    let stream: DynOutputStream = Box::new(Outlet::new(inner, pace));
    Ok((Ok(table.push_child(stream, &body)?),))
}
