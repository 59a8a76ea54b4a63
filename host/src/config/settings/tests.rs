//! Which source wins, and that each one's faults are told together.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use super::*;

/// Loads with these variables, from an empty folder.
fn load(flags: Flags, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    load_in(folder.path(), flags, variables, None)
}

fn load_in(cwd: &Path, flags: Flags, variables: &[(&str, &str)], file: Option<&Path>) -> Result<Settings, Vec<String>> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Settings::load(flags, &|name| variables.get(name).map(|&text| text.to_owned()), file, cwd)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn listen(flag: Option<&str>, variables: &[(&str, &str)]) -> SocketAddr {
    let flags = Flags { listen: flag.map(str::to_owned), ..Flags::default() };
    load(flags, variables).expect("the settings are good").listen
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn nothing_said_is_the_default() {
    let (settings, default) = (load(Flags::default(), &[]).expect("nothing is wrong"), Settings::default());
    assert_eq!(format!("{settings:?}"), format!("{default:?}"));
    assert_eq!(settings.listen, address("127.0.0.1:8080"));
    assert_eq!(settings.admin, address("127.0.0.1:8081"));
    assert_eq!(settings.drain, Duration::from_secs(40));
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("wasmbay.toml"), "compute_nice = 1\nmax_concurrent = 1\nio_instances = 1")
        .expect("the file is written");
    let variables = [("WASMBAY_COMPUTE_NICE", "2"), ("WASMBAY_MAX_CONCURRENT", "2k")];
    let flags = Flags { compute_nice: Some("3".to_owned()), ..Flags::default() };
    let settings = load_in(folder.path(), flags, &variables, None).expect("the settings are good");
    assert_eq!(
        (settings.compute_nice, settings.max_concurrent, settings.io_instances, settings.compute_instances),
        (3, 2000, 1, Settings::default().compute_instances)
    );
}

#[test]
fn every_key_has_a_flag_and_a_variable() {
    let values = [
        ("listen", "127.0.0.2:1"),
        ("admin", "127.0.0.2:2"),
        ("data", "/elsewhere"),
        ("wasi_http_03", "false"),
        ("compute_nice", "7"),
        ("compute_threads", "7"),
        ("max_memory", "7MiB"),
        ("io_instances", "7"),
        ("compute_instances", "7"),
        ("max_concurrent", "7"),
        ("max_waiting", "777"),
        ("max_connections", "7k"),
        ("max_connections_per_address", "77"),
        ("drain", "7s"),
        ("tls_certificate", "/cert.pem"),
        ("tls_key", "/key.pem"),
        ("trusted_proxies", "10.7.0.0/16, fd00::7"),
        ("private_networks", "10.8.0.0/16, fd00::8"),
        ("nameservers", "10.9.0.1:53, [fd00::9]:53"),
        ("outbound_authorities", "/authorities.pem"),
    ];
    let names: Vec<String> = values.iter().map(|(key, _)| format!("WASMBAY_{}", key.to_uppercase())).collect();
    let variables: Vec<(&str, &str)> =
        names.iter().zip(values).map(|(name, (_, text))| (name.as_str(), text)).collect();
    let by_variables = load(Flags::default(), &variables).expect("the variables are good");
    let typed = |key: &str| values.iter().find(|(name, _)| *name == key).map(|(_, text)| (*text).to_owned());
    let flags = Flags {
        listen: typed("listen"),
        admin: typed("admin"),
        data: typed("data"),
        wasi_http_03: typed("wasi_http_03"),
        compute_nice: typed("compute_nice"),
        compute_threads: typed("compute_threads"),
        max_memory: typed("max_memory"),
        io_instances: typed("io_instances"),
        compute_instances: typed("compute_instances"),
        max_concurrent: typed("max_concurrent"),
        max_waiting: typed("max_waiting"),
        max_connections: typed("max_connections"),
        max_connections_per_address: typed("max_connections_per_address"),
        drain: typed("drain"),
        tls_certificate: typed("tls_certificate"),
        tls_key: typed("tls_key"),
        trusted_proxies: typed("trusted_proxies"),
        private_networks: typed("private_networks"),
        nameservers: typed("nameservers"),
        outbound_authorities: typed("outbound_authorities"),
    };
    let by_flags = load(flags, &[]).expect("the flags are good");
    assert_eq!(format!("{by_flags:?}"), format!("{by_variables:?}"));
    for changed in [
        "127.0.0.2:1,",
        "127.0.0.2:2,",
        "/elsewhere",
        "Some(false)",
        "nice: 7",
        "Some(7)",
        "ByteSize(7340032)",
        "7s",
        "[10.7.0.0/16, fd00::7/128]",
        "[10.8.0.0/16, fd00::8/128]",
        "[10.9.0.1:53, [fd00::9]:53]",
        "\"/authorities.pem\"",
        "Some(7000)",
        "max_waiting: 777",
        "certificate: \"/cert.pem\", key: \"/key.pem\"",
        "Some(77)",
    ] {
        assert!(format!("{by_flags:?}").contains(changed), "{changed}: {by_flags:?}");
    }
}

#[test]
fn port_replaces_the_port_unless_a_flag_says_where() {
    assert_eq!(listen(None, &[("PORT", "9000")]), address("0.0.0.0:9000"));
    assert_eq!(listen(None, &[("PORT", "9000"), ("WASMBAY_LISTEN", "127.0.0.1:1")]), address("127.0.0.1:9000"));
    assert_eq!(listen(Some("127.0.0.1:1"), &[("PORT", "9000")]), address("127.0.0.1:1"));
    assert_eq!(listen(None, &[("PORT", "")]), Settings::default().listen);
    assert!(load(Flags::default(), &[("PORT", "65536")]).is_err());
    assert!(load(Flags::default(), &[("PORT", "http")]).is_err());
}

#[test]
fn every_source_is_complained_about_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("mine.toml"), "\nlissten = 1\ndrain = 5").expect("the file is written");
    let flags = Flags { listen: Some("here".to_owned()), ..Flags::default() };
    let variables = [("WASMBAY_ADMIN", "0.0.0.0:1"), ("WASMBAY_MAX_MEMORY", "64"), ("WASMBAY_CONFIG", "mine.toml")];
    let faults = load_in(folder.path(), flags, &variables, None).expect_err("nothing is right");
    insta::assert_snapshot!(faults.join("\n"), @r#"
    --listen: `--listen` = "here" is not an IP address and a port (write one such as "127.0.0.1:8080" or "[::1]:8080")
    WASMBAY_ADMIN: `admin` = 0.0.0.0:1 can be reached from other machines, and nothing guards it (write a loopback address such as "127.0.0.1:8081")
    WASMBAY_MAX_MEMORY: `WASMBAY_MAX_MEMORY` = "64" has no unit (write a size with its unit, such as "64MiB" or "512B")
    mine.toml:2: `lissten` is an unknown key (did you mean `listen`?)
    mine.toml:3: `drain` = 5 has no unit (write a duration with its unit, such as "250ms", "10s", "5m" or "2h")
    "#);
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let faults =
        load_in(folder.path(), Flags::default(), &[], Some(Path::new("none.toml"))).expect_err("there is none");
    assert!(faults[0].starts_with("none.toml: cannot be read"), "{faults:?}");
}

#[test]
fn relative_paths_begin_where_they_are_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("etc")).expect("a folder is made");
    fs::write(folder.path().join("etc/bay.toml"), "data = \"state\"\n[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"")
        .expect("the file is written");
    let file = Some(Path::new("etc/bay.toml"));
    let data = |variables: &[(&str, &str)]| {
        load_in(folder.path(), Flags::default(), variables, file).expect("the settings are good").data
    };
    assert_eq!(data(&[]), Some(folder.path().join("etc/state")));
    assert_eq!(data(&[("WASMBAY_DATA", "mine")]), Some(folder.path().join("mine")));
    let tls = load_in(folder.path(), Flags::default(), &[("WASMBAY_TLS_KEY", "b.pem")], file).expect("good").tls;
    let files = TlsFiles { certificate: folder.path().join("etc/a.pem"), key: folder.path().join("b.pem") };
    assert_eq!(tls, Some(files));
    let alone = load(Flags::default(), &[("WASMBAY_TLS_KEY", "b.pem")]).expect_err("there is no certificate");
    assert_eq!(alone, ["WASMBAY_TLS_KEY: `tls.certificate` is missing (a certificate and its key go together)"]);
}

#[test]
fn the_plain_folder_is_one_tenant_and_has_0_3() {
    let mut settings = Settings::default();
    let tenants = settings.tenants();
    assert_eq!(tenants.keys().collect::<Vec<_>>(), [DEFAULT_TENANT]);
    assert_eq!(tenants[DEFAULT_TENANT].place, TenantPlace::Everywhere);
    assert!(settings.http_03());
    settings.tenants = ["a", "b"].map(|name| (name.to_owned(), tenants[DEFAULT_TENANT].clone())).into();
    assert_eq!(settings.tenants(), settings.tenants);
    assert!(!settings.http_03());
    settings.wasi_http_03 = Some(true);
    assert!(settings.http_03());
}
