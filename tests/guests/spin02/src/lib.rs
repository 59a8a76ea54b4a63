//! Variables, keys and databases through Spin's SDK of WASI 0.2: the last segment of the path names what is done.
//!
//! `variable?name=`; `get?store=&key=`, `set?store=&key=&value=[&bytes=]`, `delete?store=&key=`, `exists?store=&key=`,
//! `keys?store=`, `fill?store=&n=&bytes=[&from=]`, `open?store=&n=`; those of [`sqlite`], [`postgres`] and [`mysql`].

mod mysql;
mod postgres;
mod sqlite;

use shared::Target;
use spin_sdk::{
    http::{IntoResponse, Request, Response},
    http_component,
    key_value::{Error, Store},
    variables,
};

#[http_component]
fn handle(request: Request) -> impl IntoResponse {
    let query = request.query();
    let target = Target::new(&format!("{}?{query}", request.path()));
    let (status, text) = match target.behaviour() {
        "" | "hello" => (200, "hello from Spin's SDK of 0.2".to_owned()),
        "variable" => match variables::get(&target.text("name").unwrap_or_default()) {
            Ok(value) => (200, value),
            Err(error) => (500, format!("{error:?}")),
        },
        "sqlite3" => match sqlite::third(&target) {
            Ok(text) => (200, text),
            Err(error) => (500, format!("{error:?}")),
        },
        name if name.starts_with("pg-") => match postgres::answer(&target) {
            Ok(text) => (200, text),
            Err(error) => (500, error),
        },
        name if name.starts_with("sqlite-") => match sqlite::answer(&target) {
            Ok(text) => (200, text),
            Err(error) => (500, format!("{error:?}")),
        },
        name if name.starts_with("mysql-") => match mysql::answer(&target) {
            Ok(text) => (200, text),
            Err(error) => (500, format!("{error:?}")),
        },
        _ => match keys(&target) {
            Ok(text) => (200, text),
            Err(error) => (500, format!("{error:?}")),
        },
    };
    Response::builder().status(status).body(text).build()
}

fn keys(target: &Target) -> Result<String, Error> {
    let label = target.text("store").unwrap_or_default();
    let key = target.text("key").unwrap_or_default();
    if target.behaviour() == "open" {
        let open = || Store::open(&label);
        let stores = (0..target.number_or("n", 1)).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
        return Ok(stores.len().to_string());
    }
    let store = Store::open(&label)?;
    Ok(match target.behaviour() {
        "get" => match store.get(&key)? {
            Some(value) => String::from_utf8_lossy(&value).into_owned(),
            None => "none".to_owned(),
        },
        "set" => {
            store.set(&key, &value(target))?;
            "set".to_owned()
        }
        "delete" => {
            store.delete(&key)?;
            "deleted".to_owned()
        }
        "exists" => store.exists(&key)?.to_string(),
        "keys" => {
            let mut keys = store.get_keys()?;
            keys.sort();
            keys.join(",")
        }
        "fill" => {
            let from = target.number_or("from", 0);
            for n in from..from + target.number_or("n", 1) {
                if let Err(error) = store.set(&format!("k{n}"), &value(target)) {
                    return Ok(format!("{} then {error:?}", n - from));
                }
            }
            "all".to_owned()
        }
        _ => "no such behaviour".to_owned(),
    })
}

fn value(target: &Target) -> Vec<u8> {
    match target.number("bytes") {
        Some(bytes) => vec![b'x'; bytes as usize],
        None => target.text("value").unwrap_or_default().into_bytes(),
    }
}
