//! Awaits two computations at once and merges them: an io plugin that leaves the computing to a compute plugin.

use std::collections::BTreeMap;

use wasmbay_sdk::prelude::*;

#[derive(Deserialize)]
struct Range {
    low: Option<u32>,
    high: Option<u32>,
}

#[derive(Deserialize, Serialize)]
struct Report {
    up_to: BTreeMap<u32, u64>,
    between: u64,
}

/// How many primes lie between `low` and `high`, from the counts up to each.
#[get("/report")]
async fn report(Query(range): Query<Range>) -> Result<Json<Report>> {
    let (low, high) = (range.low.unwrap_or(10_000), range.high.unwrap_or(200_000));
    if low > high {
        return Err(Problem::bad_request("low must not be larger than high").into());
    }
    // Both are asked before either has answered: they are counted at the same time.
    let (below_low, below_high) = try_join(primes(low), primes(high)).await?;
    let up_to = BTreeMap::from([(low, below_low), (high, below_high)]);
    Ok(Json(Report { up_to, between: below_high - below_low }))
}

/// What the plugin `primes` counts; its complaint about a number is passed on.
async fn primes(n: u32) -> Result<u64> {
    #[derive(Deserialize)]
    struct Count {
        primes: u64,
    }
    let answer = call_plugin("primes", format!("/primes/{n}")).await?;
    if answer.status() == StatusCode::BAD_REQUEST {
        return Err(Problem::bad_request(format!("primes: {}", answer.text().await?)).into());
    }
    let count: Count = answer.ok()?.json().await?;
    Ok(count.primes)
}

routes!(report);

#[cfg(test)]
mod tests {
    use wasmbay_sdk::testing::{Answer, Client};

    use super::*;

    /// Asks beside a double of `primes` that counts every number.
    fn ask(query: &str) -> Answer {
        let double = |request: wasmbay_sdk::http::Request<Bytes>| {
            let n = request.uri().path().rsplit('/').next().and_then(|n| n.parse::<u64>().ok());
            match n.filter(|n| *n <= 1_000_000) {
                Some(n) => Ok(Json(serde_json::json!({ "primes": n }))),
                None => Err(Problem::bad_request("too large")),
            }
        };
        Client::new(PLUGIN).plugin("primes", double).get(&format!("/report{query}"))
    }

    #[test]
    fn the_counts_are_merged() {
        assert_eq!(ask("").json::<Report>().between, 190_000);
        assert_eq!(ask("?low=10&high=10").json::<Report>().between, 0);
    }

    #[test]
    fn what_the_client_asks_wrongly_is_the_clients_to_mend() {
        for query in ["?low=2&high=1", "?low=x", "?low=1&high=1000001"] {
            assert_eq!(ask(query).status(), 400, "{query}");
        }
    }
}
