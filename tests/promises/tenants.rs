//! Tenants of one host: each has its own names, paths or hosts, and limits, and none reaches another's plugins.

use std::{path::PathBuf, time::Duration};

use http::Request;
use wasmbay::{
    config::{Caps, JobQuota, KeyQuota, OutboundQuota, Settings, SqlQuota, Supplies, Tenant, TenantPlace},
    units::{ByteSize, Fuel},
};
use wasmbay_tests::{
    client::{Answer, Protocol, empty},
    house::{House, Plugin, settings},
    text,
};

fn tenant(name: &str, place: TenantPlace, caps: Caps) -> (String, Tenant) {
    (
        name.to_owned(),
        Tenant {
            folder: PathBuf::from(name),
            place,
            weight: 1,
            caps,
            supplies: Supplies::default(),
            kv: KeyQuota::default(),
            jobs: JobQuota::default(),
            sql: SqlQuota::default(),
            outbound: OutboundQuota::default(),
            databases: Default::default(),
        },
    )
}

fn prefix(name: &str, caps: Caps) -> (String, Tenant) {
    tenant(name, TenantPlace::Prefix(format!("/{name}")), caps)
}

fn two(one: (String, Tenant), other: (String, Tenant)) -> Settings {
    Settings { tenants: [one, other].into(), ..settings() }
}

/// `acme` under `/acme` with these caps, `zeta` under `/zeta` without.
fn by_prefix(caps: Caps) -> Settings {
    two(prefix("acme", caps), prefix("zeta", Caps::default()))
}

/// The JSON that the guest's `headers` answers.
fn told(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn header(told: &serde_json::Value, name: &str) -> Vec<String> {
    let headers = told["headers"].as_array().expect("a list").iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().expect("text").to_owned()).collect()
}

/// The value of a metric of one tenant's plugin, 0 while it has none.
fn metric(house: &House, name: &str, tenant: &str, plugin: &str) -> f64 {
    let text = house.metrics();
    let of = |line: &&str| {
        line.starts_with(name)
            && [("tenant", tenant), ("plugin", plugin)]
                .iter()
                .all(|(key, value)| line.contains(&format!("{key}=\"{value}\"")))
    };
    text.lines()
        .find(of)
        .map_or(0.0, |line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_may_use_the_same_names_each_under_its_prefix() {
    let plugins = ["acme", "zeta"].map(|name| Plugin::new("p", "io", "http02.wasm").of(name));
    let house = House::with(by_prefix(Caps::default()), &plugins).await;
    for name in ["acme", "zeta"] {
        text::write(&house.dir.path().join(name), "t", "", &text::says(name)).unwrap();
    }
    house.settled().await;
    for protocol in Protocol::BOTH {
        let mut connection = house.connect_by(protocol).await;
        for name in ["acme", "zeta"] {
            assert_eq!(connection.get(&format!("/{name}/t")).await.unwrap().text(), name);
            let answer = connection.get(&format!("/{name}/p/headers?q=/{name}/p")).await.unwrap();
            let told = told(&answer);
            assert_eq!(told["path"], format!("/p/headers?q=/{name}/p"), "the prefix is the tenant's, not the plugin's");
            assert_eq!(header(&told, "wasmbay-base-path"), [format!("/{name}")]);
            assert_eq!(header(&told, "wasmbay-route"), ["/p/{*rest}"]);
        }
        for nowhere in ["/t", "/p/hello", "/acmes/t", "/acme", "/acme/zeta/t", "/other/t"] {
            assert_eq!(connection.get(nowhere).await.unwrap().problem()["code"], "no-route", "{nowhere}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_tell_the_guest_another_base_path() {
    let plugins = ["acme", "zeta"].map(|name| Plugin::new("p", "io", "http02.wasm").of(name));
    let house = House::with(by_prefix(Caps::default()), &plugins).await;
    let request = Request::get("/acme/p/headers").header("wasmbay-base-path", "/zeta").body(empty()).unwrap();
    let answer = house.connect().await.send(request).await.unwrap();
    assert_eq!(header(&told(&answer), "wasmbay-base-path"), ["/acme"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_may_share_every_path_each_on_its_hosts() {
    let hosts = |name: &str, hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        tenant(name, TenantPlace::Hosts(hosts), Caps::default())
    };
    let settings = two(hosts("acme", &["acme.example", "www.acme.example"]), hosts("zeta", &["zeta.example"]));
    let plugins = ["acme", "zeta"].map(|name| Plugin::new("p", "io", "http02.wasm").of(name));
    let house = House::with(settings, &plugins).await;
    for name in ["acme", "zeta"] {
        text::write(&house.dir.path().join(name), "t", "", &text::says(name)).unwrap();
    }
    house.settled().await;
    for (host, name) in [
        ("acme.example", "acme"),
        ("www.acme.example", "acme"),
        ("ACME.Example:8080", "acme"),
        ("zeta.example", "zeta"),
    ] {
        let of = |path: &str| Request::get(path).header("host", host).body(empty()).unwrap();
        let mut connection = house.connect().await;
        assert_eq!(connection.send(of("/t")).await.unwrap().text(), name, "{host}");
        let told = told(&connection.send(of("/p/headers")).await.unwrap());
        assert_eq!((&told["path"], header(&told, "wasmbay-base-path")), (&"/p/headers".into(), vec![String::new()]));
        // HTTP/2 names the host in the target.
        let mut connection = house.connect_by(Protocol::Http2).await;
        let request = Request::get(format!("http://{host}/t")).body(empty()).unwrap();
        assert_eq!(connection.send(request).await.unwrap().text(), name, "{host}");
    }
    for host in ["other.example", "example", "x.zeta.example", "127.0.0.1"] {
        let request = Request::get("/t").header("host", host).body(empty()).unwrap();
        let answer = house.connect().await.send(request).await.unwrap();
        assert_eq!(answer.problem()["code"], "no-route", "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_never_reaches_another_tenants_plugin() {
    let caller = Plugin::new("caller", "io", "http02.wasm").with("[grants]\nplugins = [\"secret\", \"both\"]");
    let plugins = [
        caller.of("acme"),
        Plugin::new("both", "io", "http02.wasm").of("acme"),
        Plugin::new("both", "io", "http02.wasm").of("zeta"),
        Plugin::new("secret", "io", "http02.wasm").of("zeta"),
    ];
    let house = House::with(by_prefix(Caps::default()), &plugins).await;
    let call = |url: &str| format!("/acme/caller/call?url={url}");
    for url in [
        "http://secret.plugin.internal/secret/hello",
        "http://secret.plugin.internal/zeta/secret/hello",
        "http://zeta.secret.plugin.internal/secret/hello",
        "http://secret.zeta.plugin.internal/secret/hello",
    ] {
        let answer = house.get(&call(url)).await;
        assert_eq!(answer.status, 502, "{url}: {answer:?}");
    }
    let answer = house.get(&call("http://both.plugin.internal/both/headers")).await;
    assert_eq!(header(&told(&answer), "wasmbay-base-path"), ["/acme"]);
    for plugin in ["secret", "both"] {
        for name in ["wasmbay_requests_total", "wasmbay_instances_created_total"] {
            assert_eq!(metric(&house, name, "zeta", plugin), 0.0, "{name} {plugin}");
        }
    }
    assert_eq!(metric(&house, "wasmbay_requests_total", "acme", "both"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_win_over_manifests() {
    let asks = "[limits]\ncpu = \"60s\"\ntimeout = \"60s\"\nmemory = \"64MiB\"";
    let rows = [
        (Caps { cpu: Some(Duration::from_millis(30)), ..Caps::default() }, "io", "spin", "cpu-exhausted"),
        (Caps { timeout: Some(Duration::from_millis(60)), ..Caps::default() }, "io", "wait?ms=20000", "timeout"),
        (Caps { memory: Some(ByteSize(4 << 20)), ..Caps::default() }, "io", "alloc?mib=32", "memory-exhausted"),
        (Caps { fuel: Some(Fuel(5_000_000)), ..Caps::default() }, "compute", "spin", "fuel-exhausted"),
    ];
    for (caps, lane, path, code) in rows {
        let asks = if lane == "compute" { format!("{asks}\nfuel = \"900G\"") } else { asks.to_owned() };
        let plugins = ["acme", "zeta"].map(|name| Plugin::new("p", lane, "http02.wasm").with(&asks).of(name));
        let house = House::with(by_prefix(caps), &plugins).await;
        assert_eq!(house.get(&format!("/acme/p/{path}")).await.problem()["code"], code);
        assert_eq!(house.get("/acme/p/hello").await.status, 200, "{code}");
        let status = house.host.behind().registry().status();
        let notes: Vec<_> = status.plugins.iter().map(|plugin| (plugin.tenant.as_str(), plugin.notes.len())).collect();
        assert_eq!(notes, [("acme", 1), ("zeta", 0)], "the operator sees what was lowered: {status:#?}");
        // Within the other tenant's limits, though past the first one's.
        let fine = path.replace("20000", "200").replace("spin", "burn?n=20000000");
        assert_eq!(house.get(&format!("/zeta/p/{fine}")).await.status, 200, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_max_concurrent_is_a_gate_over_all_its_plugins_and_nobody_elses() {
    let caps = Caps { max_concurrent: Some(1), ..Caps::default() };
    let limits = "[limits]\nqueue = 0\ntimeout = \"60s\"";
    let of = |name, tenant| Plugin::new(name, "io", "http02.wasm").with(limits).of(tenant);
    let house = House::with(by_prefix(caps), &[of("p", "acme"), of("q", "acme"), of("p", "zeta")]).await;
    let held = house.ask("/acme/p/wait?ms=60000");
    house.until("it is in flight", |house| metric(house, "wasmbay_in_flight", "acme", "p") == 1.0).await;
    let refused = house.get("/acme/q/hello").await;
    let problem = refused.problem();
    assert_eq!((refused.status.as_u16(), &problem["code"]), (503, &"queue-full".into()));
    for member in ["detail", "remedy"] {
        assert!(problem[member].as_str().is_some_and(|text| text.contains("caps.max_concurrent")), "{problem}");
    }
    assert_eq!(house.get("/zeta/p/hello").await.status, 200);
    held.abort();
    house.until("the gate is open", |house| metric(house, "wasmbay_in_flight", "acme", "p") == 0.0).await;
    assert_eq!(house.get("/acme/q/hello").await.status, 200);
}
