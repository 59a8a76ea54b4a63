//! By which functions a component can reach what the host keeps for it, as its imports tell.

use wasmtime::component::{Component, types::ComponentItem};

use crate::capability::sql::Engine;

/// By which functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// By some that make the whole guest wait.
    pub(super) sync: bool,
    /// By some that are async.
    pub(super) concurrent: bool,
}

impl Reach {
    /// To its stores of keys.
    pub(super) fn of_keys(component: &Component) -> Self {
        Self::of(component, &["spin:key-value/", "fermyon:spin/key-value@", "wasi:keyvalue/"])
    }

    /// To its databases, of each kind.
    pub(super) fn of_sql(component: &Component) -> Vec<(Engine, Self)> {
        let reach = |engine| match engine {
            Engine::Sqlite => Self::of(component, &["spin:sqlite/", "fermyon:spin/sqlite@"]),
            Engine::Postgres => Self::of(component, &["spin:postgres/", "fermyon:spin/postgres@"]),
            Engine::Mysql => Self::of(component, &["spin:mysql/", "fermyon:spin/mysql@"]),
        };
        Engine::ALL.into_iter().map(|engine| (engine, reach(engine))).collect()
    }

    /// By the interfaces whose names begin so.
    fn of(component: &Component, starts: &[&str]) -> Self {
        let (engine, ty) = (component.engine(), component.component_type());
        let mut reach = Self::default();
        for (name, import) in ty.imports(engine) {
            let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
            if !starts.iter().any(|start| name.starts_with(start)) {
                continue;
            }
            for (_, export) in interface.exports(engine) {
                let ComponentItem::ComponentFunc(function) = export.ty else { continue };
                if function.async_() {
                    reach.concurrent = true;
                } else {
                    reach.sync = true;
                }
            }
        }
        reach
    }

    /// Whether there is a way at all.
    pub(super) fn is_any(self) -> bool {
        self.sync || self.concurrent
    }

    /// Whether there is no other way than to make the whole guest wait.
    pub(super) fn only_waits(self) -> bool {
        self.sync && !self.concurrent
    }
}
