//! The interfaces through which a guest keeps keys and values.
//!
//! The functions of Spin's newer interface are async ([`concurrent`]): whoever waits for one holds nothing up. Those of the
//! other two make their guest wait as a whole, on no thread ([`sync`], [`wasi`]).

mod concurrent;
mod sync;
mod wasi;

use std::sync::Arc;

use wasmtime::{
    Result,
    component::{HasData, Linker, Resource, ResourceTable, ResourceTableError},
};

use self::bindings::{fermyon::spin::key_value as waiting, spin::key_value::key_value as awaited, wasi::keyvalue};
use super::{
    call::{Desk, Errand},
    state::State,
};
use crate::{
    capability::{Granted, keys::Store},
    store::keys::Refusal,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["wit/spin-key-value.wit", "wit/fermyon-spin.wit", "wit/wasi-keyvalue.wit"],
        inline: "
            package wasmbay:keys;
            world keys {
                import spin:key-value/key-value@3.0.0;
                import fermyon:spin/key-value@2.0.0;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "spin:key-value/key-value.store": crate::capability::keys::Store,
            "fermyon:spin/key-value.store": crate::capability::keys::Store,
            "wasi:keyvalue/store.bucket": crate::capability::keys::Store,
            "wasi:keyvalue/atomics.cas": crate::capability::keys::Seen,
        },
        require_store_data_send: true,
    });
}

/// Bytes of keys that a list may have which is handed over as a whole.
pub(super) const MOST_LISTED: usize = 4 << 20;

/// Links all of them; the one whose functions are async to engines that know such.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    waiting::add_to_linker::<_, Kept>(linker, State::keeper)?;
    keyvalue::store::add_to_linker::<_, Kept>(linker, State::keeper)?;
    keyvalue::atomics::add_to_linker::<_, Kept>(linker, State::keeper)?;
    if wasi_http_03 {
        awaited::add_to_linker::<_, Kept>(linker, State::keeper)?;
    }
    Ok(())
}

/// What the functions find in a store.
pub(super) struct Keeper<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) granted: &'a Granted,
    pub(super) desk: &'a Arc<Desk>,
}

/// Stands for [`Keeper`] where a type without a lifetime is wanted.
struct Kept;

impl HasData for Kept {
    type Data<'a> = Keeper<'a>;
}

/// Why a guest does not get what it asks for, in what all interfaces have words for.
enum Trouble {
    Full,
    Denied,
    Other(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal.to_string())
    }
}

/// What a guest is told by a function that would make all requests in its instance wait.
const STALLS: &str = "this function would hold up the other requests of this instance: call spin:key-value@3.0.0, or set \
    instances.max_concurrent = 1";

/// What start code is told: a plugin that is only tried out, by `wasmbay check` for one, must not write to anything.
const TOO_EARLY: &str = "no store can be opened before there is a request";

impl Keeper<'_> {
    fn open(&mut self, label: &str) -> Result<Resource<Store>, Trouble> {
        let errand = self.desk.errand();
        if errand.is_nobodys() {
            return Err(Trouble::Other(TOO_EARLY.to_owned()));
        }
        match self.granted.stores.open(&self.granted.plugin, label) {
            Ok(store) => self.hand_out(store),
            Err(denied) => {
                errand.kept("denied");
                errand.tell("denied", &denied);
                Err(Trouble::Denied)
            }
        }
    }

    /// The same for an interface whose functions make the guest wait.
    fn open_sync(&mut self, label: &str) -> Result<Resource<Store>, Trouble> {
        match self.granted.shared {
            true => Err(Trouble::Other(STALLS.to_owned())),
            false => self.open(label),
        }
    }

    fn hand_out<T: Send + 'static>(&mut self, thing: T) -> Result<Resource<T>, Trouble> {
        self.table.push(thing).map_err(|error| match error {
            ResourceTableError::Full => Trouble::Full,
            other => Trouble::Other(other.to_string()),
        })
    }

    fn store(&self, handle: &Resource<Store>) -> Result<Store> {
        Ok(self.table.get(handle)?.clone())
    }

    /// What a guest is told of a call that has ended, which is counted.
    fn told<T, E: From<Refusal>>(&self, answer: Result<T, Refusal>) -> Result<T, E> {
        told(&self.desk.errand(), answer)
    }

    fn close<T: 'static>(&mut self, handle: Resource<T>) -> Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

fn told<T, E: From<Refusal>>(errand: &Errand, answer: Result<T, Refusal>) -> Result<T, E> {
    errand.kept(answer.as_ref().map_or_else(Refusal::name, |_| "ok"));
    answer.map_err(E::from)
}

macro_rules! error {
    ($($error:path, $full:expr;)+) => {$(
        impl From<Trouble> for $error {
            fn from(trouble: Trouble) -> Self {
                match trouble {
                    Trouble::Full => $full,
                    Trouble::Denied => Self::AccessDenied,
                    Trouble::Other(why) => Self::Other(why),
                }
            }
        }

        impl From<Refusal> for $error {
            fn from(refusal: Refusal) -> Self {
                Trouble::from(refusal).into()
            }
        }
    )+};
}

error! {
    waiting::Error, Self::StoreTableFull;
    awaited::Error, Self::StoreTableFull;
    keyvalue::store::Error, Self::Other("more stores are open than one request may have".to_owned());
}
