//! A small API: routes, JSON, errors, events, a call to another plugin, work after the response.

use wasmbay_sdk::prelude::*;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Item {
    id: u32,
    name: String,
    price: u32,
}

#[derive(Deserialize)]
struct New {
    name: String,
    price: u32,
}

#[derive(Deserialize)]
struct Filter {
    max_price: Option<u32>,
}

#[derive(Deserialize)]
struct Countdown {
    from: u32,
}

fn stock() -> Vec<Item> {
    let item = |(id, (name, price)): (u32, (&str, u32))| Item { id, name: name.to_owned(), price };
    (1..).zip([("lamp", 15), ("table", 120), ("cup", 4)]).map(item).collect()
}

fn find(id: u32) -> Result<Item, Problem> {
    stock().into_iter().find(|item| item.id == id).or_not_found(format!("there is no item {id}"))
}

#[get("/items")]
async fn list(Query(filter): Query<Filter>) -> Json<Vec<Item>> {
    let max = filter.max_price.unwrap_or(u32::MAX);
    Json(stock().into_iter().filter(|item| item.price <= max).collect())
}

#[get("/items/{id}")]
async fn item(Path(id): Path<u32>) -> Result<Json<Item>> {
    Ok(Json(find(id)?))
}

#[post("/items")]
async fn create(Json(new): Json<New>) -> Result<(StatusCode, Json<Item>)> {
    if new.price == 0 {
        return Err(Problem::unprocessable("a price is at least 1").into());
    }
    let item = Item { id: 4, name: new.name, price: new.price };
    let name = item.name.clone();
    spawn_after_response(async move { log::info!("a {name} was asked for") });
    Ok((StatusCode::CREATED, Json(item)))
}

/// How many primes are there up to the item's price? Counting is for the compute lane, so another plugin does it.
#[get("/items/{id}/primes")]
async fn primes(Path(id): Path<u32>) -> Result<String> {
    let Item { name, price, .. } = find(id)?;
    let counted = call_plugin("primes", format!("/primes/{price}")).await?.ok()?;
    let counted: serde_json::Value = counted.json().await?;
    Ok(format!("there are {} primes up to the price of the {name}\n", counted["primes"]))
}

#[get("/items/countdown")]
async fn countdown(Query(asked): Query<Countdown>) -> Sse {
    Sse::new(async move |events| {
        for left in (1..=asked.from).rev() {
            events.send(Event::new(left.to_string())).await;
            sleep(Duration::from_millis(100)).await;
        }
        events.send(Event::new("sold").name("end")).await;
        Ok(())
    })
}

routes!(list, item, create, primes, countdown);

#[cfg(test)]
mod tests {
    use wasmbay_sdk::{fetch::FetchFailure, testing::Client};

    use super::*;

    #[test]
    fn items_are_listed_and_found() {
        let client = Client::new(PLUGIN);
        assert_eq!(client.get("/items?max_price=15").json::<Vec<Item>>().len(), 2);
        assert_eq!(client.get("/items/2").json::<Item>().name, "table");
        assert_eq!(client.get("/items/9").status(), 404);
        assert_eq!(client.get("/items?max_price=low").status(), 400);
    }

    #[test]
    fn what_is_created_has_a_price() {
        let create = |price: u32| {
            Client::new(PLUGIN).post_json("/items", &serde_json::json!({ "name": "chair", "price": price }))
        };
        assert_eq!((create(40).status().as_u16(), create(0).status().as_u16()), (201, 422));
    }

    #[test]
    fn primes_are_counted_by_another_plugin() {
        let primes = |_| Json(serde_json::json!({ "primes": 30 }));
        let answer = Client::new(PLUGIN).plugin("primes", primes).get("/items/2/primes");
        assert_eq!(answer.text(), "there are 30 primes up to the price of the table\n");
        let client = Client::new(PLUGIN).failing("http://primes.plugin.internal", FetchFailure::Timeout);
        assert_eq!(client.get("/items/2/primes").status(), 504);
    }

    #[test]
    fn the_countdown_takes_its_time() {
        let answer = Client::new(PLUGIN).get("/items/countdown?from=2");
        assert_eq!(answer.text(), "data: 2\n\ndata: 1\n\nevent: end\ndata: sold\n\n");
        assert_eq!(answer.took(), Duration::from_millis(200));
    }
}
