//! The table: hosts, prefixes, tenants, methods.

use super::*;
use crate::{
    failure::Code,
    registry::testing::{plugin, tenant},
};

fn everywhere() -> Vec<TenantSpec> {
    vec![tenant("default", TenantPlace::Everywhere)]
}

fn three_tenants() -> Vec<TenantSpec> {
    vec![
        tenant("acme", TenantPlace::Hosts(vec!["acme.example".to_owned(), "img.example".to_owned()])),
        tenant("beta", TenantPlace::Prefix("/beta".to_owned())),
        tenant("gamma", TenantPlace::Prefix("/beta/gamma".to_owned())),
    ]
}

fn table(tenants: &[TenantSpec], plugins: &[(usize, &str, &[&str])]) -> Table<()> {
    let plugins = plugins.iter().map(|(place, name, routes)| (*place, plugin(tenants, *place, name, routes, ())));
    Table::new(tenants, plugins)
}

/// The name of the plugin that serves a request, or the failure's code.
fn who(table: &Table<()>, host: &str, method: Method, path: &str) -> Result<String, Code> {
    let found = table.find(Some(host), path, &method).map_err(|failure| failure.code)?;
    Ok(found.plugin.name().to_owned())
}

#[test]
fn a_route_for_the_host_wins_over_one_for_any_host() {
    let table = table(&everywhere(), &[(0, "any", &["/x", "/{*rest}"]), (0, "bound", &["host:img.example GET /x"])]);
    for host in ["img.example", "IMG.Example:8080", "img.example."] {
        assert_eq!(who(&table, host, Method::GET, "/x"), Ok("bound".to_owned()), "{host}");
    }
    assert_eq!(who(&table, "img.example", Method::POST, "/x"), Ok("any".to_owned()));
    assert_eq!(who(&table, "img.example", Method::GET, "/y"), Ok("any".to_owned()));
    assert_eq!(who(&table, "[::1]:80", Method::GET, "/x"), Ok("any".to_owned()));
    assert_eq!(table.find(None, "/x", &Method::GET).unwrap().plugin.name(), "any");
}

#[test]
fn a_host_without_its_port_is_what_was_written_before_it() {
    for (written, bare) in [("a", "a"), ("A.b:1", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a.:1", "a")] {
        assert_eq!(bare_host(written), bare);
    }
}

#[test]
fn plugins_share_a_path_by_method_and_parameters_keep_their_own_names() {
    let table = table(&everywhere(), &[(0, "reader", &["GET /t/{id}"]), (0, "writer", &["POST /t/{name}/"])]);
    let found = table.find(None, "/t/a%2Fb", &Method::HEAD).unwrap();
    assert_eq!((found.plugin.name(), &found.params[..]), ("reader", &[("id".into(), "a%2Fb".to_owned())][..]));
    let found = table.find(None, "/t/c/", &Method::POST).unwrap();
    assert_eq!((found.plugin.name(), &found.params[..]), ("writer", &[("name".into(), "c".to_owned())][..]));
    let failure = table.find(None, "/t/a", &Method::PUT).unwrap_err();
    assert_eq!((failure.code, failure.allow), (Code::MethodNotAllowed, vec![Method::GET, Method::HEAD]));
}

#[test]
fn a_tenant_has_its_hosts_or_its_prefix_and_never_anothers() {
    let all: &[&str] = &["/{*rest}"];
    let table = table(&three_tenants(), &[(0, "a", all), (1, "b", all), (2, "c", all)]);
    let get = |host, path| who(&table, host, Method::GET, path);
    assert_eq!(get("acme.example", "/beta/x"), Ok("a".to_owned()));
    assert_eq!(get("other.example", "/beta"), Ok("b".to_owned()));
    assert_eq!(get("other.example", "/beta/gammax"), Ok("b".to_owned()));
    assert_eq!(get("other.example", "/beta/gamma/x"), Ok("c".to_owned()));
    assert_eq!(get("other.example", "/betax"), Err(Code::NoRoute));
    assert_eq!(get("other.example", "/"), Err(Code::NoRoute));
}

#[test]
fn the_guest_does_not_see_its_tenants_prefix() {
    let table = table(&three_tenants(), &[(1, "b", &["/x/{id}", "/"])]);
    let found = table.find(None, "/beta/x/7", &Method::GET).unwrap();
    assert_eq!(found.guest_path("/beta/x/7"), "/x/7");
    assert_eq!(&*found.plugin.owner.base_path, "/beta");
    assert_eq!(table.find(None, "/beta", &Method::GET).unwrap().guest_path("/beta"), "/");
}

#[test]
fn a_plugin_is_found_by_name_within_its_tenant_alone() {
    let table = table(&three_tenants(), &[(0, "same", &["GET /a"]), (1, "same", &["GET /b"]), (2, "other", &["/"])]);
    let own = |tenant| table.find_plugin(tenant, "same").unwrap();
    assert!(own("acme").own_route("/a", &Method::GET).is_ok());
    assert!(own("beta").own_route("/b", &Method::GET).is_ok());
    assert!(table.find_plugin("gamma", "same").is_none());
    assert!(table.find_plugin("acme", "other").is_none());
    assert_eq!(own("acme").own_route("/a", &Method::PUT).unwrap_err().code, Code::MethodNotAllowed);
}

#[test]
fn own_routes_ignore_the_host() {
    let plugin = plugin(&everywhere(), 0, "p", &["host:img.example GET /x/{id}"], ());
    let (route, params) = plugin.own_route("/x/1", &Method::GET).unwrap();
    assert_eq!((route, &params[..]), (0, &[("id".into(), "1".to_owned())][..]));
}
