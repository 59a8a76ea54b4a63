//! Reads, computes, asks outside, answers, and writes back: what waits does so in the io lane, what computes does it elsewhere.

mod database;

use wasmbay_sdk::prelude::*;

use crate::database::Database;

#[derive(Deserialize)]
struct Asked {
    days: Option<u32>,
}

/// What the plugin `trend` says of a product's sales, and what they are worth elsewhere.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Forecast {
    product: String,
    #[serde(flatten)]
    trend: Trend,
    in_usd: Option<Vec<f64>>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Trend {
    next: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

/// What will be sold in the next days.
#[get("/forecast/{product}")]
async fn forecast(Path(product): Path<String>, Query(asked): Query<Asked>) -> Result<Json<Forecast>> {
    let sales = Database::open().await?.sales(&product).await?;
    if sales.len() < 3 {
        return Err(Problem::not_found(format!("too little was sold of {product}")).into());
    }
    // The line is drawn in the compute lane while the answer from outside is on its way.
    let (trend, rate) = join(trend(&sales, asked.days.unwrap_or(7)), dollars()).await;
    let trend = trend?;
    // On the disk when this is answered: it will be written back, whatever becomes of this request.
    Job::new("forecast", &format!("/forecast/{product}/keep")).key(request_id()).json(&trend.next).enqueue().await?;
    let rate = rate.inspect_err(|error| log::warn!("no rate: {error:#}")).ok();
    let in_usd = rate.map(|rate| trend.next.iter().map(|amount| (amount * rate * 100.0).round() / 100.0).collect());
    Ok(Json(Forecast { product, trend, in_usd }))
}

/// The job: writes a forecast back. It may come twice, which is once.
#[post("/forecast/{product}/keep")]
async fn keep(Path(product): Path<String>, headers: HeaderMap, Json(amounts): Json<Vec<f64>>) -> Result<StatusCode> {
    // The route is everybody's; this header is the host's alone to set.
    if !headers.contains_key("wasmbay-job-id") {
        return Err(Problem::not_found("forecasts are kept by jobs").into());
    }
    Database::open().await?.keep(&product, &amounts).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The forecast that was written back last.
#[get("/forecast/{product}/kept")]
async fn kept(Path(product): Path<String>) -> Result<Json<Vec<f64>>> {
    Ok(Json(Database::open().await?.forecast(&product).await?))
}

/// What was sold on further days.
#[post("/forecast/{product}/sales")]
async fn sales(Path(product): Path<String>, Json(amounts): Json<Vec<f64>>) -> Result<StatusCode> {
    Database::open().await?.sold(&product, &amounts).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the plugin `trend`; its complaint is passed on.
async fn trend(values: &[f64], ahead: u32) -> Result<Trend> {
    let ask = Request::post("/trend").json(&serde_json::json!({ "values": values, "ahead": ahead }))?;
    let answer = call_plugin("trend", ask).await?;
    if answer.status() == StatusCode::UNPROCESSABLE_ENTITY {
        return Err(Problem::bad_request(format!("trend: {}", answer.text().await?)).into());
    }
    answer.ok()?.json().await
}

/// What a euro is worth in dollars, outside.
async fn dollars() -> Result<f64> {
    #[derive(Deserialize)]
    struct Answer {
        rates: Rates,
    }
    #[derive(Deserialize)]
    struct Rates {
        #[serde(rename = "USD")]
        usd: f64,
    }
    let ask = Request::get(variable("rates").await?).timeout(Duration::from_secs(2)).body(Body::empty())?;
    let Answer { rates } = fetch(ask).await?.ok()?.json().await?;
    Ok(rates.usd)
}

routes!(forecast, keep, kept, sales);

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use wasmbay_sdk::testing::Client;

    use super::*;

    /// A client beside doubles of all that is asked, and the jobs that were handed in.
    fn client() -> (Client, Rc<RefCell<Vec<(String, Bytes)>>>) {
        let jobs = Rc::<RefCell<Vec<_>>>::default();
        let taken = Rc::clone(&jobs);
        let client = Client::new(PLUGIN)
            .database("sales", "")
            .variable("rates", "https://rates.example/today")
            .plugin("trend", |_| Json(serde_json::json!({ "next": [4.0], "low": [3.0], "high": [5.0] })))
            .origin("https://rates.example", |_| Json(serde_json::json!({ "rates": { "USD": 1.25 } })))
            .origin("http://jobs.wasmbay.internal", move |request| {
                taken.borrow_mut().push((request.uri().path().to_owned(), request.into_body()));
                (StatusCode::ACCEPTED, Json(serde_json::json!({ "id": "01J0", "state": "ready", "known": false })))
            });
        (client, jobs)
    }

    #[test]
    fn it_reads_computes_asks_answers_and_writes_back() {
        let (client, jobs) = client();
        assert_eq!(client.post_json("/forecast/tea/sales", &[1.0, 2.0, 3.0]).status(), 204);
        let trend = Trend { next: vec![4.0], low: vec![3.0], high: vec![5.0] };
        let expected = Forecast { product: "tea".to_owned(), trend, in_usd: Some(vec![5.0]) };
        assert_eq!(client.get("/forecast/tea?days=1").json::<Forecast>(), expected);
        let (path, body) = jobs.borrow_mut().pop().expect("a job");
        assert_eq!((path.as_str(), &*body), ("/forecast/forecast/tea/keep", &b"[4.0]"[..]));
        // The host makes the request again as it was handed in, and says that it is a job.
        let client = client.header("content-type", "application/json");
        let job = client.clone().header("wasmbay-job-id", "01J0");
        for _ in 0..2 {
            assert_eq!(job.post("/forecast/tea/keep", body.clone()).status(), 204);
        }
        assert_eq!(client.get("/forecast/tea/kept").text(), "[4.0]");
        assert_eq!(client.post("/forecast/tea/keep", "[9.0]").status(), 404, "nobody else keeps forecasts");
    }

    #[test]
    fn what_is_not_known_is_said_and_what_is_not_to_be_had_is_left_out() {
        let (client, jobs) = client();
        assert_eq!(client.get("/forecast/coffee").status(), 404);
        assert!(jobs.borrow().is_empty());
        client.post_json("/forecast/tea/sales", &[1.0, 2.0, 3.0]);
        let alone = client.failing("https://rates.example", wasmbay_sdk::fetch::FetchFailure::Timeout);
        assert_eq!(alone.get("/forecast/tea").json::<Forecast>().in_usd, None);
    }
}
