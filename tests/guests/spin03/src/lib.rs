//! Variables, keys and databases through Spin's SDK of WASI 0.3: the last segment of the path names what is done.
//!
//! `variable?name=`, `config?name=`, `configs`; `get?store=&key=`, `set?store=&key=&value=[&bytes=]`,
//! `delete?store=&key=`, `exists?store=&key=`, `keys?store=`, `fill?store=&n=&bytes=[&from=]`, `pairs?store=&n=`,
//! `increment?store=&key=&by=[&n=]`, `swap?store=&key=&value=[&meanwhile=]`, `pages?store=`; those of [`sqlite`],
//! [`postgres`] and [`mysql`].

mod mysql;
mod postgres;
mod sqlite;

use shared::Target;
use spin_sdk::{
    experimental::wasi::{
        config::store as config,
        keyvalue::{atomics, store as buckets},
    },
    http::{IntoResponse, Request},
    http_service,
    key_value::{Error, Store},
    variables,
};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::new(&request.uri().path_and_query().map(|path| path.to_string()).unwrap_or_default());
    match answer(&target).await {
        Ok(text) => text,
        Err(error) => error,
    }
}

async fn answer(target: &Target) -> Result<String, String> {
    let name = target.text("name").unwrap_or_default();
    Ok(match target.behaviour() {
        "" | "hello" => "hello from Spin's SDK of 0.3".to_owned(),
        "variable" => variables::get(&name).await.map_err(|error| format!("{error:?}"))?,
        "config" => format!("{:?}", config::get(&name)),
        "configs" => format!("{:?}", config::get_all()),
        "increment" | "swap" | "pages" => bucket(target).map_err(|error| format!("{error:?}"))?,
        name if name.starts_with("pg-") => postgres::answer(target).await.map_err(|error| format!("{error:?}"))?,
        name if name.starts_with("sqlite-") => sqlite::answer(target).await.map_err(|error| format!("{error:?}"))?,
        name if name.starts_with("mysql-") => mysql::answer(target).await.map_err(|error| format!("{error:?}"))?,
        _ => keys(target).await.map_err(|error| format!("{error:?}"))?,
    })
}

async fn keys(target: &Target) -> Result<String, Error> {
    let store = Store::open(target.text("store").unwrap_or_default()).await?;
    let key = target.text("key").unwrap_or_default();
    Ok(match target.behaviour() {
        "get" => match store.get(&key).await? {
            Some(value) => String::from_utf8_lossy(&value).into_owned(),
            None => "none".to_owned(),
        },
        "set" => {
            store.set(&key, value(target)).await?;
            "set".to_owned()
        }
        "delete" => {
            store.delete(&key).await?;
            "deleted".to_owned()
        }
        "exists" => store.exists(&key).await?.to_string(),
        "keys" => {
            let mut keys = store.get_keys().await.collect().await?;
            keys.sort();
            keys.join(",")
        }
        "fill" => {
            let from = target.number_or("from", 0);
            for n in from..from + target.number_or("n", 1) {
                if let Err(error) = store.set(format!("k{n}"), value(target)).await {
                    return Ok(format!("{} then {error:?}", n - from));
                }
            }
            "all".to_owned()
        }
        "pairs" => {
            for n in 0..target.number_or("n", 1) {
                let text = n.to_string();
                store.set(&text, text.as_bytes()).await?;
                if store.get(&text).await?.as_deref() != Some(text.as_bytes()) {
                    return Ok(format!("{n} is not what was set"));
                }
            }
            "all".to_owned()
        }
        _ => "no such behaviour".to_owned(),
    })
}

fn bucket(target: &Target) -> Result<String, buckets::Error> {
    let bucket = buckets::open(&target.text("store").unwrap_or_default())?;
    let key = target.text("key").unwrap_or_default();
    Ok(match target.behaviour() {
        "increment" => {
            let by = target.text("by").and_then(|by| by.parse().ok()).unwrap_or(1);
            let mut last = 0;
            for _ in 0..target.number_or("n", 1) {
                last = atomics::increment(&bucket, &key, by)?;
            }
            last.to_string()
        }
        "swap" => {
            let seen = atomics::Cas::new(&bucket, &key)?;
            let current = seen.current()?;
            if let Some(meanwhile) = target.text("meanwhile") {
                bucket.set(&key, meanwhile.as_bytes())?;
            }
            match atomics::swap(seen, &value(target)) {
                Ok(()) => format!("swapped {:?}", current.map(|value| String::from_utf8_lossy(&value).into_owned())),
                Err(atomics::CasError::StoreError(error)) => return Err(error),
                Err(atomics::CasError::CasFailed(again)) => {
                    format!(
                        "changed to {:?}",
                        again.current()?.map(|value| String::from_utf8_lossy(&value).into_owned())
                    )
                }
            }
        }
        _ => {
            let (mut pages, mut keys, mut cursor) = (0, 0, None);
            loop {
                let page = bucket.list_keys(cursor.as_deref())?;
                pages += 1;
                keys += page.keys.len();
                cursor = page.cursor;
                if cursor.is_none() {
                    return Ok(format!("{keys} in {pages}"));
                }
            }
        }
    })
}

fn value(target: &Target) -> Vec<u8> {
    match target.number("bytes") {
        Some(bytes) => vec![b'x'; bytes as usize],
        None => target.text("value").unwrap_or_default().into_bytes(),
    }
}
