//! Where an attack takes place: the attacker's plugins under `/a`, a canary of another tenant under `/c`.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use wasmbay::{
    config::{Caps, Settings, Tenant, TenantPlace},
    host::Mode,
};
use wasmbay_tests::{
    canary::Canary,
    client::Answer,
    house::{House, Plugin, settings},
};

pub(crate) use wasmbay_tests::house::EVERYWHERE;

/// The kinds that speak wasi:http, in both lanes.
pub(crate) const HTTP: [(&str, &str); 4] = [EVERYWHERE[0], EVERYWHERE[1], EVERYWHERE[2], EVERYWHERE[3]];

/// A host under attack.
pub(crate) struct Scene {
    pub(crate) house: House,
    canary: Canary,
}

/// Settings with both tenants.
pub(crate) fn two_tenants() -> Settings {
    let tenant = |name: &str| {
        let place = TenantPlace::Prefix(format!("/{name}"));
        (name.to_owned(), Tenant { folder: PathBuf::from(name), place, weight: 1, caps: Caps::default() })
    };
    Settings { tenants: [tenant("a"), tenant("c")].into(), wasi_http_03: Some(true), ..settings() }
}

/// One plugin of the attacker for each kind and lane, named `p0`, `p1`, …, with these lines in its manifest.
pub(crate) fn each(kinds: &[(&str, &str)], lines: &str) -> Vec<Plugin> {
    let one =
        |(number, (file, lane)): (usize, &(&str, &str))| Plugin::new(&format!("p{number}"), lane, file).with(lines);
    kinds.iter().enumerate().map(one).collect()
}

/// Requests of the attacker's first plugin that were executed and are over.
pub(crate) fn executed(house: &House) -> f64 {
    let text = house.metrics();
    let of = |line: &&str| line.starts_with("wasmbay_requests_total{") && line.contains("plugin=\"p0\"");
    let counts = text.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    counts.sum()
}

impl Scene {
    /// Serves the attacker's plugins beside the canary, some of which may be refused.
    pub(crate) async fn set(settings: Settings, plugins: Vec<Plugin>) -> Self {
        let canary = Plugin::new("canary", "io", "http02.wasm").of("c");
        let plugins: Vec<_> = plugins.into_iter().map(|plugin| plugin.of("a")).chain([canary]).collect();
        let dir = TempDir::new().expect("a folder");
        plugins.iter().for_each(|plugin| plugin.write(dir.path()).expect("the plugin can be written"));
        fs::create_dir_all(dir.path().join("a")).expect("a folder");
        // In dev mode an answer tells which cap it was that ended a guest.
        let house = House::in_mode(Mode::Dev, settings, dir).await;
        let canary = Canary::begin(house.host.public(), "/c/canary/hello");
        Self { house, canary }
    }

    /// Serves one plugin of each kind, none of which may be refused.
    pub(crate) async fn of(kinds: &[(&str, &str)], lines: &str) -> Self {
        let scene = Self::set(two_tenants(), each(kinds, lines)).await;
        let faults = scene.house.faults();
        assert!(faults.values().all(Vec::is_empty), "{faults:#?}");
        scene
    }

    /// Asks one of the attacker's plugins.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.house.get(&format!("/a{path}")).await
    }

    /// Asks one of the attacker's plugins for something that has to fail.
    pub(crate) async fn code(&self, path: &str) -> String {
        self.get(path).await.problem()["code"].as_str().expect("a code").to_owned()
    }

    /// Asks one of the attacker's plugins for something that has to end it by a trap; the engine's own account of it.
    pub(crate) async fn trap(&self, path: &str) -> String {
        let problem = self.get(path).await.problem();
        assert_eq!(problem["code"], "trap", "{problem}");
        problem["inside"].as_str().expect("an account").to_owned()
    }

    /// Waits until nothing of the attacker's is left, and sees what became of the others.
    pub(crate) async fn end(self) {
        let over = |house: &House| {
            let text = house.metrics();
            let left = |name| {
                let of = |line: &&str| line.starts_with(name) && line.contains("tenant=\"a\"");
                text.lines().filter(of).any(|line| !line.ends_with(" 0"))
            };
            !left("wasmbay_in_flight{") && !left("wasmbay_waiting{") && !left("wasmbay_background{")
        };
        self.house.until("nothing of the attack is left", over).await;
        self.canary.unharmed().await;
        assert!(self.house.metrics().contains("wasmbay_panics_total 0"), "the host panicked");
    }
}
