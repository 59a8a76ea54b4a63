//! What a plugin keeps and knows: GET `known/{name}`, `count/{store}/{key}`, `keys/{store}`, `rows/{database}?text=`,
//! `wrong/{database}`.

use wasmbay_sdk::{
    kv::Store,
    prelude::*,
    sql::{Database, Value},
};

#[derive(Deserialize, Serialize)]
struct Count {
    n: u64,
}

#[derive(Deserialize)]
pub(crate) struct Given {
    text: String,
}

#[derive(Deserialize, Serialize)]
struct Row {
    whole: i64,
    real: f64,
    text: String,
    missing: Option<u8>,
}

/// What came of it, or why nothing did: for tests alone, a handler passes errors on by `?`.
fn told<T: Serialize>(answer: Result<T, StateError>) -> Json<serde_json::Value> {
    Json(match answer {
        Ok(answer) => serde_json::json!({ "ok": answer }),
        Err(error) => serde_json::json!({ "failure": format!("{:?}", error.failure()), "said": error.to_string() }),
    })
}

#[get("/{plugin}/known/{name}")]
pub(crate) async fn known(Path((_, name)): Path<(String, String)>) -> Json<serde_json::Value> {
    told(variable(&name).await)
}

#[get("/{plugin}/count/{store}/{key}")]
pub(crate) async fn count(Path((_, store, key)): Path<(String, String, String)>) -> Json<serde_json::Value> {
    let counted = async {
        let store = Store::open(&store).await?;
        let n = store.get_json(&key).await?.map_or(0, |count: Count| count.n) + 1;
        store.set_json(&key, &Count { n }).await?;
        store.set("gone", b"x").await?;
        store.delete("gone").await?;
        Ok((store.get_json::<Count>(&key).await?, store.exists("gone").await?))
    };
    told(counted.await)
}

#[get("/{plugin}/keys/{store}")]
pub(crate) async fn keys(Path((_, store)): Path<(String, String)>) -> Json<serde_json::Value> {
    let listed = async { Store::open(&store).await?.keys().await };
    told(listed.await)
}

#[get("/{plugin}/rows/{database}")]
pub(crate) async fn rows(
    Path((_, database)): Path<(String, String)>,
    Query(Given { text }): Query<Given>,
) -> Json<serde_json::Value> {
    let asked = async {
        let database = Database::open(&database).await?;
        database.execute("CREATE TABLE IF NOT EXISTS t (whole, real, text, missing)", ()).await?;
        database.execute("BEGIN IMMEDIATE", ()).await?;
        database.execute("DELETE FROM t", ()).await?;
        database.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (7, 0.5, text, Value::Null)).await?;
        database.execute("COMMIT", ()).await?;
        let row: Option<Row> = database.query("SELECT * FROM t", ()).await?.into_first()?;
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT i FROM n";
        let many: Vec<u32> = database.query(many, [5000]).await?.into_all()?;
        Ok((row, many.iter().sum::<u32>()))
    };
    told(asked.await)
}

#[get("/{plugin}/wrong/{database}")]
pub(crate) async fn wrong(Path((_, database)): Path<(String, String)>) -> Json<serde_json::Value> {
    let asked = async { Database::open(&database).await?.execute("SELEKT 1", ()).await };
    told(asked.await)
}
