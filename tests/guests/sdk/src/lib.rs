//! A plugin made with the SDK, for the tests. The first segment of every path is the name that the test gives the plugin.
//!
//! In both lanes: GET `items/{id}?tag=&limit=`, POST `items` (JSON), GET `gone`, `fails`, `panics`, `told`, POST `echo`,
//! `collect`, `pages`. In the io lane also GET `events`, `breaks`, `after/{callee}`, `call/{callee}`, `both/{callee}`,
//! and those of [`state`].

#[cfg(not(feature = "compute"))]
mod state;
#[cfg(not(feature = "compute"))]
mod waiting;

use wasmbay_sdk::prelude::*;

/// The same functions for either lane.
macro_rules! handlers {
    ($($(#[$attribute:meta])* fn $name:ident($($arguments:tt)*) -> $answer:ty $body:block)*) => {
        $(
            $(#[$attribute])*
            #[cfg(feature = "compute")]
            fn $name($($arguments)*) -> $answer $body

            $(#[$attribute])*
            #[cfg(not(feature = "compute"))]
            async fn $name($($arguments)*) -> $answer $body
        )*
    };
}

#[derive(Deserialize, Serialize)]
struct Item {
    name: String,
    price: u32,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    tag: Vec<String>,
    limit: Option<u8>,
}

#[derive(Serialize)]
struct Found {
    id: u64,
    tags: Vec<String>,
    limit: Option<u8>,
}

#[derive(Serialize)]
struct Told {
    request_id: String,
    rest: Option<String>,
}

handlers! {
    #[get("/{plugin}/items/{id}")]
    fn item(Path((_, id)): Path<(String, u64)>, Query(wanted): Query<Wanted>) -> Json<Found> {
        Json(Found { id, tags: wanted.tag, limit: wanted.limit })
    }

    #[post("/{plugin}/items")]
    fn create(Json(item): Json<Item>) -> (StatusCode, Json<Item>) {
        (StatusCode::CREATED, Json(Item { price: item.price + 1, ..item }))
    }

    #[get("/{plugin}/gone")]
    fn gone() -> Result<String> {
        let gone = Problem::new(StatusCode::GONE, "sold-out", "item 7 is sold out").with("id", 7);
        Err(gone).context("while looking for it")?
    }

    #[get("/{plugin}/fails")]
    fn fails() -> Result<String> {
        let number: u32 = "the password".parse().context("while reading the number")?;
        Ok(number.to_string())
    }

    #[get("/{plugin}/panics")]
    fn panics() -> () {
        panic!("asked to panic, by the test");
    }

    #[get("/{plugin}/told")]
    fn told() -> Json<Told> {
        log::info!("telling what was told");
        log::debug!("below the level that is written");
        Json(Told { request_id: request_id(), rest: params().get("rest").map(str::to_owned) })
    }

    #[post("/{plugin}/echo")]
    fn echo(body: Body) -> Body {
        body
    }

    #[post("/{plugin}/collect")]
    fn collect(bytes: Bytes) -> String {
        format!("{} bytes of {}", bytes.len(), bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>())
    }

    #[post("/{plugin}/pages")]
    fn pages(Json(_): Json<Item>) -> String {
        core::arch::wasm32::memory_size::<0>().to_string()
    }
}

#[cfg(feature = "compute")]
routes!(item, create, gone, fails, panics, told, echo, collect, pages);

#[cfg(not(feature = "compute"))]
routes!(
    item,
    create,
    gone,
    fails,
    panics,
    told,
    echo,
    collect,
    pages,
    waiting::events,
    waiting::breaks,
    waiting::after,
    waiting::call,
    waiting::both,
    state::known,
    state::count,
    state::keys,
    state::rows,
    state::wrong
);
