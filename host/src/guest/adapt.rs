//! What authors hand in, as what runs: components and preview1 commands as they are, other core modules as components, and
//! text in either form.

use std::{borrow::Cow, collections::BTreeSet, path::Path};

use anyhow::{Context as _, anyhow, bail};
use wasi_preview1_component_adapter_provider as preview1;
use wasmparser::{Parser, Payload, Validator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup, WorldId};

/// The packages a text-form plugin may import from and export to, one file each, as the linked crates define them.
static PACKAGES: &[&str] = include!(concat!(env!("OUT_DIR"), "/wit.rs"));

/// The patch version of WASI 0.2 in [`PACKAGES`].
const LINKED_02: &str = "0.2.12";

/// Every package's text.
pub(super) fn packages() -> &'static [&'static str] {
    PACKAGES
}

/// Turns a plugin's bytes into what runs: a component, or a preview1 command, which stays the core module it is. `file`
/// only names them in errors.
///
/// # Errors
/// Why they cannot be one, in words for their author.
pub fn runnable(file: &Path, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let wasm = wat::Parser::new().parse_bytes(Some(file), bytes).context("the text form does not parse")?;
    if is_component(&wasm) {
        return Ok(wasm.into_owned());
    }
    if !wasm.starts_with(b"\0asm") {
        bail!("the file is neither WebAssembly nor its text form");
    }
    let module = Outline::read(&wasm).context("the module is not valid")?;
    let preview1 = module.imports.iter().any(|name| name == preview1::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME);
    let command = module.exports.iter().any(|name| name == "_start");
    match (command, preview1) {
        (true, _) => Ok(wasm.into_owned()),
        (false, true) => adapted(&with_world(wasm, &module)?, preview1::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        (false, false) => encode(ComponentEncoder::default(), &with_world(wasm, &module)?),
    }
}

/// What a core module's edges tell. Read without compiling it: only what comes out in the end is compiled.
struct Outline {
    /// The modules it imports from.
    imports: BTreeSet<String>,
    /// The names it exports.
    exports: BTreeSet<String>,
}

impl Outline {
    fn read(wasm: &[u8]) -> anyhow::Result<Self> {
        Validator::new().validate_all(wasm)?;
        let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imports.insert(import?.module.to_owned());
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        exports.insert(export?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(Self { imports, exports })
    }
}

/// The layer field of the preamble is 1 for components and 0 for core modules.
pub(super) fn is_component(wasm: &[u8]) -> bool {
    wasm.starts_with(b"\0asm\x0d\0\x01\0")
}

fn adapted(wasm: &[u8], adapter: &[u8]) -> anyhow::Result<Vec<u8>> {
    let encoder = ComponentEncoder::default().adapter(preview1::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)?;
    encode(encoder, wasm)
}

fn encode(encoder: ComponentEncoder, wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    encoder
        .validate(true)
        .module(wasm)
        .and_then(|mut encoder| encoder.encode())
        .context("the module does not make a component")
}

/// A core module that names its imports and exports canonically (`wasi:http/types@0.2.x`, and so on) but does not carry
/// the world they come from: the world is told from the names.
fn with_world<'a>(wasm: Cow<'a, [u8]>, module: &Outline) -> anyhow::Result<Cow<'a, [u8]>> {
    if wit_component::metadata::decode(&wasm).is_ok_and(|(rest, _)| rest.is_some()) {
        return Ok(wasm);
    }
    let handlers = module.exports.iter().filter_map(|name| Some(name.split_once('#')?.0.to_owned()));
    let exports: BTreeSet<_> = handlers.collect();
    if exports.is_empty() {
        bail!("the module exports no handler: neither `wasi:http/incoming-handler@0.2.x#handle` nor `_start`");
    }
    // The adapter answers for these, and it brings a world of its own.
    let mut imports = module.imports.clone();
    imports.remove(preview1::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME);
    let (resolve, world) = world(&imports, &exports).map_err(|error| unknown(&imports, &exports).unwrap_or(error))?;
    let mut wasm = wasm.into_owned();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)?;
    Ok(wasm.into())
}

fn world(imports: &BTreeSet<String>, exports: &BTreeSet<String>) -> anyhow::Result<(Resolve, WorldId)> {
    let mut text = String::from("package wasmbay:text;\nworld plugin {\n");
    for import in imports {
        text += &format!("  import {import};\n");
    }
    for export in exports {
        text += &format!("  export {export};\n");
    }
    text += "}\n";
    let parse = |text: &str| {
        UnresolvedPackageGroup::parse("plugin.wit", text).map_err(|(_, error)| anyhow!("an interface's name: {error}"))
    };
    let packages = asked_for(imports.iter().chain(exports));
    let packages = packages.iter().map(|package| parse(package)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut resolve = Resolve::default();
    let package =
        resolve.push_groups(parse(&text)?, packages).context("the module's interfaces do not fit together")?;
    let world = resolve.select_world(&[package], None)?;
    Ok((resolve, world))
}

/// The first interface that is not known by itself, in words: what the resolver says does not always name it.
fn unknown(imports: &BTreeSet<String>, exports: &BTreeSet<String>) -> Option<anyhow::Error> {
    let alone = |name: &&String| world(&BTreeSet::from([(*name).clone()]), &BTreeSet::new()).is_err();
    let name = imports.iter().chain(exports).find(alone)?;
    Some(anyhow!("the module imports or exports `{name}`, an interface the host does not know"))
}

/// The packages, under every patch version of 0.2 that the names ask for: later ones only add to earlier ones, and what
/// is linked answers to all of them.
fn asked_for<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let asked = names.filter_map(|name| Some(name.rsplit_once('@')?.1)).filter(|version| version.starts_with("0.2."));
    let earlier: BTreeSet<_> = asked.filter(|version| *version != LINKED_02).collect();
    let linked = PACKAGES.iter().map(|package| (*package).to_owned());
    linked.chain(earlier.into_iter().flat_map(under)).collect()
}

/// The packages of WASI 0.2 under a patch version.
fn under(version: &str) -> Vec<String> {
    let (linked, asked) = (format!("@{LINKED_02}"), format!("@{version}"));
    let of_02 = PACKAGES.iter().filter(|package| package.contains(&linked));
    of_02.map(|package| since_ever(package).replace(&linked, &asked)).collect()
}

/// A package without its history: what came with a later version may not be named in an earlier one, though an importer
/// that names it gets it.
fn since_ever(package: &str) -> String {
    let since = |patch: u32| format!("@since(version = 0.2.{patch})");
    (1..=99).fold(package.to_owned(), |package, patch| package.replace(&since(patch), &since(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_plugin_may_name_any_patch_version() {
        assert!(PACKAGES.iter().any(|package| package.contains(&format!("package wasi:http@{LINKED_02};"))));
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/hello/hello.wat"));
        for version in ["0.2.0", "0.2.3", "0.2.6", LINKED_02] {
            let text = text.replace(LINKED_02, version);
            let made = runnable(Path::new("hello.wat"), text.as_bytes());
            assert!(made.is_ok(), "{version}: {made:?}");
        }
    }
}
