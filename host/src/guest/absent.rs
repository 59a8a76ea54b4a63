//! Interfaces that a guest imports and this host does not have: each is there as a stub, and every call of it says so.
//!
//! SDKs make components that import whole worlds, of which the author's code uses a part. To refuse them all would refuse
//! what runs well; so an interface is absent as a whole, by name, and a call of it is the guest's end.

use std::{collections::BTreeSet, sync::LazyLock};

use wasmtime::{
    Result,
    component::{
        Component, Linker, ResourceType,
        types::{ComponentInstance, ComponentItem},
    },
};
use wit_parser::UnresolvedPackageGroup;

use super::{adapt, outcome::Ended, state::State};

/// What every handle of an absent interface would stand for. None is ever made.
struct Nothing;

/// Every interface that is linked, in the lane of one engine or another, by [`track`].
static LINKED: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| adapt::packages().iter().flat_map(|text| names(text)).collect());

/// The interfaces that a component imports and this host does not have, in its own order. Those of types alone need no host.
pub(super) fn of(component: &Component) -> Vec<String> {
    let (engine, ty) = (component.engine(), component.component_type());
    let absent = ty.imports(engine).filter(|(name, import)| match &import.ty {
        ComponentItem::ComponentInstance(instance) => {
            !LINKED.contains(&track(name)) && instance.exports(engine).any(|(_, export)| needs_a_host(&export.ty))
        }
        _ => false,
    });
    absent.map(|(name, _)| name.to_owned()).collect()
}

fn needs_a_host(item: &ComponentItem) -> bool {
    matches!(item, ComponentItem::ComponentFunc(_) | ComponentItem::Resource(_))
}

/// The links and, for each of the absent interfaces, stubs of all it has.
pub(super) fn stubbed(linker: &Linker<State>, component: &Component, absent: &[String]) -> Result<Linker<State>> {
    let mut linker = linker.clone();
    let (engine, ty) = (component.engine(), component.component_type());
    // A resource that came with an earlier import stays what it is there.
    let mut known = Vec::new();
    for (name, import) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if absent.iter().any(|absent| absent == name) {
            stub(&mut linker, component, name, &instance, &known)?;
        }
        known.extend(instance.exports(engine).filter_map(|(_, export)| match export.ty {
            ComponentItem::Resource(resource) => Some(resource),
            _ => None,
        }));
    }
    Ok(linker)
}

fn stub(
    linker: &mut Linker<State>,
    component: &Component,
    interface: &str,
    instance: &ComponentInstance,
    known: &[ResourceType],
) -> Result<()> {
    let mut stubs = linker.instance(interface)?;
    for (name, export) in instance.exports(component.engine()) {
        let called = format!("{interface}#{name}");
        match export.ty {
            ComponentItem::ComponentFunc(function) if function.async_() => {
                stubs.func_new_concurrent(name, move |_, _, _, _| {
                    let ended = Ended::Absent(called.clone());
                    Box::pin(async move { Err(ended.into()) })
                })?;
            }
            ComponentItem::ComponentFunc(_) => {
                stubs.func_new(name, move |_, _, _, _| Err(Ended::Absent(called.clone()).into()))?;
            }
            ComponentItem::Resource(resource) if !known.contains(&resource) => {
                stubs.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Some of the names, for a sentence.
pub(super) fn listed(names: &[String]) -> String {
    const MOST: usize = 16;
    let mut text = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        text += &format!(" and {} more", names.len() - MOST);
    }
    text
}

/// The interfaces that a package's text defines, as [`track`] has them.
fn names(text: &str) -> Vec<String> {
    let group = UnresolvedPackageGroup::parse("linked.wit", text).expect("the tests parse all that the build carries");
    let package = group.main.name.interface_id("");
    let (package, version) = package.split_once('@').unwrap_or((&package, ""));
    let interfaces = group.main.interfaces.iter().filter_map(|(_, interface)| interface.name.as_deref());
    interfaces.map(|name| track(&format!("{package}{name}@{version}"))).collect()
}

/// An interface's name with as much of its version as decides whether one can stand for another: a stable version answers
/// for all with its first number, or its second while the first is zero; an early one for itself alone.
fn track(name: &str) -> String {
    let Some((interface, version)) = name.split_once('@') else { return name.to_owned() };
    let numbers: Vec<_> = version.split('.').collect();
    match numbers[..] {
        _ if version.contains(['-', '+']) => name.to_owned(),
        ["0", "0", _] => name.to_owned(),
        ["0", minor, _] => format!("{interface}@0.{minor}"),
        [major, _, _] => format!("{interface}@{major}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_known_under_every_version_that_it_answers_for() {
        for name in [
            "wasi:http/types@0.2.0",
            "wasi:io/streams@0.2.12",
            "wasi:http/handler@0.3.0",
            "wasi:http/handler@0.3.7",
            "spin:variables/variables@3.0.0",
            "fermyon:spin/variables@2.0.0",
            "wasi:config/store@0.2.0-rc.1",
            "wasi:config/store@0.2.0-draft-2024-09-27",
        ] {
            assert!(LINKED.contains(&track(name)), "{name}: {LINKED:#?}");
        }
        for name in [
            "wasi:http/types@0.2.0-rc-2023-11-10",
            "wasi:http/types@0.4.0",
            "wasi:http/another@0.2.0",
            "wasi:config/store@0.2.0-draft",
            "fermyon:spin/llm@2.0.0",
            "spin:variables/variables@4.0.0",
            "wasi:http/types",
        ] {
            assert!(!LINKED.contains(&track(name)), "{name}");
        }
    }
}
