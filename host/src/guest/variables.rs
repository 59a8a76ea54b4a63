//! The interfaces through which a guest reads its variables.

use wasmtime::{
    Result,
    component::{Accessor, HasData, Linker},
};

use self::bindings::{
    fermyon::spin::variables as sync,
    spin::variables::variables as concurrent,
    wasi::{config0_2_0_draft_2024_09_27::store as draft, config0_2_0_rc_1::store as candidate},
};
use super::state::State;
use crate::capability::{
    Granted,
    config::{Hidden, Untold},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "wit/spin-variables.wit",
            "wit/fermyon-spin.wit",
            "wit/wasi-config.wit",
            "wit/wasi-config-draft.wit",
        ],
        inline: "
            package wasmbay:variables;
            world variables {
                import spin:variables/variables@3.0.0;
                import fermyon:spin/variables@2.0.0;
                import wasi:config/store@0.2.0-rc.1;
                import wasi:config/store@0.2.0-draft-2024-09-27;
            }
        ",
    });
}

/// Links all of them; those whose functions are async to engines that know such.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    sync::add_to_linker::<_, Told>(linker, |state| Told(&state.granted))?;
    candidate::add_to_linker::<_, Told>(linker, |state| Told(&state.granted))?;
    draft::add_to_linker::<_, Told>(linker, |state| Told(&state.granted))?;
    if wasi_http_03 {
        concurrent::add_to_linker::<_, Told>(linker, |state| Told(&state.granted))?;
    }
    Ok(())
}

/// What a guest is told.
struct Told<'a>(&'a Granted);

impl HasData for Told<'static> {
    type Data<'a> = Told<'a>;
}

impl Told<'_> {
    fn get(&self, name: &str) -> Result<String, Untold> {
        let Granted { plugin, variables, .. } = self.0;
        variables.get(plugin, name).map(Hidden::expose).map(str::to_owned)
    }

    fn all(&self) -> Vec<(String, String)> {
        self.0.variables.iter().map(|(name, value)| (name.to_owned(), value.expose().to_owned())).collect()
    }
}

impl sync::Host for Told<'_> {
    fn get(&mut self, name: String) -> Result<String, sync::Error> {
        Told::get(self, &name).map_err(|untold| match untold {
            Untold::BadName => sync::Error::InvalidName(untold.to_string()),
            Untold::Denied { .. } => sync::Error::Undefined(untold.to_string()),
        })
    }
}

impl concurrent::Host for Told<'_> {}

impl<T: Send> concurrent::HostWithStore<T> for Told<'static> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, concurrent::Error> {
        accessor.with(|mut access| access.get().get(&name)).map_err(|untold| match untold {
            Untold::BadName => concurrent::Error::InvalidName(untold.to_string()),
            Untold::Denied { .. } => concurrent::Error::Undefined(untold.to_string()),
        })
    }
}

/// Both versions are of one shape, and have no word for what is not granted.
macro_rules! store {
    ($($version:ident)+) => {$(
        impl $version::Host for Told<'_> {
            fn get(&mut self, key: String) -> Result<Option<String>, $version::Error> {
                Ok(Told::get(self, &key).ok())
            }

            fn get_all(&mut self) -> Result<Vec<(String, String)>, $version::Error> {
                Ok(self.all())
            }
        }
    )+};
}

store!(candidate draft);
