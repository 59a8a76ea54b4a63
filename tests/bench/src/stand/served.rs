//! A temporary folder for the host to serve: plugins, tenants, settings.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tempfile::TempDir;

/// Limits for cases that are not about limits, in either lane.
const GENEROUS: &str = r#"
cpu = "20s"
timeout = "30s"
max_concurrent = 1024
queue = 4096
queue_timeout = "20s"
"#;

/// The same for the compute lane, which also counts fuel.
const GENEROUS_COMPUTE: &str = r#"
cpu = "20s"
fuel = "1000G"
timeout = "30s"
max_concurrent = 1024
queue = 4096
queue_timeout = "20s"
"#;

/// A plugin to write.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    name: String,
    lane: &'static str,
    component: Component,
    routes: Vec<String>,
    limits: String,
    more: String,
    /// Other files of its folder.
    files: Vec<(&'static str, Vec<u8>)>,
    /// Whether the host must have its 0.3 switch on for it.
    is_service: bool,
}

#[derive(Clone, Debug)]
enum Component {
    File(PathBuf),
    Text(String),
}

impl Plugin {
    /// An io plugin made of a built component.
    pub(crate) fn io(name: &str, component: PathBuf) -> Self {
        Self::new(name, "io", Component::File(component)).limits(GENEROUS)
    }

    /// An io plugin made of a built component for wasi:http 0.3.
    pub(crate) fn service(name: &str, component: PathBuf) -> Self {
        Self { is_service: true, ..Self::io(name, component) }
    }

    /// A compute plugin made of a built component.
    pub(crate) fn compute(name: &str, component: PathBuf) -> Self {
        Self::new(name, "compute", Component::File(component)).limits(GENEROUS_COMPUTE)
    }

    /// An io plugin in WebAssembly text.
    pub(crate) fn text(name: &str, text: String) -> Self {
        Self::new(name, "io", Component::Text(text)).limits(GENEROUS)
    }

    fn new(name: &str, lane: &'static str, component: Component) -> Self {
        let (limits, more) = (String::new(), String::new());
        let (routes, files) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), lane, component, routes, limits, more, files, is_service: false }
    }

    /// Adds a route; a plugin without one has every path of its tenant.
    #[must_use]
    pub(crate) fn route(mut self, path: &str) -> Self {
        self.routes.push(format!("path = {path:?}\n"));
        self
    }

    /// Adds a route bound to a host name, so that two plugins of a tenant can have the same paths.
    #[must_use]
    pub(crate) fn route_of(mut self, host: &str, path: &str) -> Self {
        self.routes.push(format!("path = {path:?}\nhost = {host:?}\n"));
        self
    }

    /// Replaces what stands under `[limits]`.
    #[must_use]
    pub(crate) fn limits(mut self, toml: &str) -> Self {
        self.limits = toml.to_owned();
        self
    }

    /// Appends tables to the manifest.
    #[must_use]
    pub(crate) fn more(mut self, toml: &str) -> Self {
        self.more.push_str(toml);
        self
    }

    /// Adds a file to its folder.
    #[must_use]
    pub(crate) fn with_file(mut self, path: &'static str, bytes: Vec<u8>) -> Self {
        self.files.push((path, bytes));
        self
    }

    /// The component's file name.
    fn file(&self) -> String {
        let ending = if matches!(self.component, Component::Text(_)) { "wat" } else { "wasm" };
        format!("{}.{ending}", self.name)
    }

    fn manifest(&self) -> String {
        let (name, lane, file) = (&self.name, self.lane, self.file());
        let mut text =
            format!("manifest = 1\nname = {name:?}\nversion = \"1.0.0\"\ncomponent = {file:?}\nlane = {lane:?}\n");
        for route in &self.routes {
            let _ = write!(text, "\n[[route]]\n{route}");
        }
        let _ = write!(text, "\n[limits]\n{}\n{}", self.limits.trim(), self.more);
        text
    }
}

/// A temporary folder with what a host needs. Deleted when dropped.
pub(crate) struct Served {
    root: TempDir,
    settings: String,
    tenants: String,
    /// The operator's switch: on where a plugin needs it. With it, 0.2 guests cost more as well.
    wasi_http_03: bool,
    /// Cores that the host has, of this machine's; `None` is all.
    pub(super) cores: Option<usize>,
}

impl Served {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("wasmbay-bench-").tempdir()?;
        fs::create_dir(root.path().join("plugins"))?;
        Ok(Self { root, settings: String::new(), tenants: String::new(), wasi_http_03: false, cores: None })
    }

    /// Leaves the host so many of the machine's cores.
    #[must_use]
    pub(crate) fn cores(self, cores: usize) -> Self {
        Self { cores: Some(cores), ..self }
    }

    /// Adds a line to the settings.
    #[must_use]
    pub(crate) fn setting(mut self, toml: &str) -> Self {
        let _ = writeln!(self.settings, "{toml}");
        self
    }

    /// Adds a tenant under the path prefix of its name; `more` is the rest of its table.
    #[must_use]
    pub(crate) fn tenant(mut self, name: &str, more: &str) -> Self {
        let _ = writeln!(self.tenants, "\n[tenant.{name}]\nfolder = {name:?}\nprefix = \"/{name}\"\n{more}");
        self
    }

    /// Writes a plugin; `tenant` is empty where none are set.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written.
    pub(crate) fn plugin(mut self, tenant: &str, plugin: &Plugin) -> anyhow::Result<Self> {
        self.wasi_http_03 |= plugin.is_service;
        let folder = self.folder().join(tenant).join(&plugin.name);
        fs::create_dir_all(&folder)?;
        let component = match &plugin.component {
            Component::File(path) => fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
            Component::Text(text) => text.clone().into_bytes(),
        };
        fs::write(folder.join(plugin.file()), component)?;
        for (path, bytes) in &plugin.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().context("a file in the folder")?)?;
            fs::write(path, bytes)?;
        }
        fs::write(folder.join("plugin.toml"), plugin.manifest())?;
        Ok(self)
    }

    /// The folder of plugins.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("plugins")
    }

    /// The host's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A folder beside the served one, on the same file system.
    pub(crate) fn beside(&self) -> &Path {
        self.root.path()
    }

    /// Writes the settings file.
    pub(super) fn write_config(&self) -> anyhow::Result<PathBuf> {
        let path = self.root.path().join("wasmbay.toml");
        fs::write(&path, format!("wasi_http_03 = {}\n{}{}", self.wasi_http_03, self.settings, self.tenants))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_what_was_asked_for() -> anyhow::Result<()> {
        let plugin =
            Plugin::text("hello", "(module)".into()).route("/hello").route_of("b.example", "/b").limits("cpu = \"1s\"");
        let served = Served::new()?.plugin("a", &plugin.more("\n[grants]\nplugins = [\"b\"]\n"))?;
        let folder = served.folder().join("a/hello");
        let manifest = fs::read_to_string(folder.join("plugin.toml"))?;
        let expected = "manifest = 1\nname = \"hello\"\nversion = \"1.0.0\"\ncomponent = \"hello.wat\"\nlane = \"io\"\n\n\
                        [[route]]\npath = \"/hello\"\n\n[[route]]\npath = \"/b\"\nhost = \"b.example\"\n\n\
                        [limits]\ncpu = \"1s\"\n\n[grants]\nplugins = [\"b\"]\n";
        assert_eq!(manifest, expected);
        assert_eq!(fs::read_to_string(folder.join("hello.wat"))?, "(module)");
        Ok(())
    }

    #[test]
    fn settings_come_before_tenants() -> anyhow::Result<()> {
        let served = Served::new()?.tenant("a", "weight = 1").setting("drain = \"1s\"");
        let settings = "drain = \"1s\"\n\n[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\nweight = 1\n";
        assert_eq!(fs::read_to_string(served.write_config()?)?, format!("wasi_http_03 = false\n{settings}"));
        let component = served.beside().join("service.wasm");
        fs::write(&component, "")?;
        let served = served.plugin("a", &Plugin::service("service", component))?;
        assert_eq!(fs::read_to_string(served.write_config()?)?, format!("wasi_http_03 = true\n{settings}"));
        Ok(())
    }
}
