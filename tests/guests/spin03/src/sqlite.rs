//! Databases: `sqlite-ask?db=&q=[&p=][&tell=]` runs statements on one connection and answers the last one's rows,
//! `sqlite-open?db=&n=`, `sqlite-leave?db=&q=&how=`, `sqlite-nest?db=&n=`;
//! with `tell=changes`, what the connection says of its last statement.

use shared::{
    Target,
    sql::{self, Parameter},
};
use spin_sdk::sqlite::{Connection, Error, RowResult, Value};

pub(crate) async fn answer(target: &Target) -> Result<String, Error> {
    let database = target.text("db").unwrap_or_default();
    let text = target.text("q").unwrap_or_default();
    let connection = Connection::open(&database).await?;
    Ok(match target.behaviour() {
        "sqlite-open" => {
            let mut all = Vec::new();
            for _ in 0..target.number_or("n", 1) {
                all.push(Connection::open(&database).await?);
            }
            all.len().to_string()
        }
        "sqlite-leave" => {
            for statement in sql::statements(&text) {
                connection.execute(statement, []).await?;
            }
            leave(&target.text("how").unwrap_or_default());
            std::mem::forget(connection);
            "left".to_owned()
        }
        "sqlite-nest" => nest(&connection, target.number_or("n", 1)).await?,
        _ => {
            let mut answer = String::new();
            for statement in sql::statements(&text) {
                let result = connection.execute(statement, parameters(target)).await?;
                let columns = result.columns().to_vec();
                let rows: Vec<RowResult> = result.collect().await?;
                answer = sql::table(&columns, rows.iter().map(|row| row.values.iter().map(shown).collect()));
            }
            match target.text("tell").as_deref() {
                Some("changes") => {
                    format!("{} {}", connection.changes().await, connection.last_insert_rowid().await)
                }
                _ => answer,
            }
        }
    })
}

/// Reads `n` rows as they come, with a statement between them now and then.
async fn nest(connection: &Connection, n: u64) -> Result<String, Error> {
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i, printf('%.100c', 'x') FROM n";
    let mut rows = connection.execute(text, [Value::Integer(n as i64)]).await?;
    let (mut sum, mut asked) = (0, 0);
    while let Some(row) = rows.next().await {
        let number: i64 = row.get(0).unwrap_or_default();
        sum += number;
        if number % 1000 == 0 {
            asked += connection.execute("SELECT 1", []).await?.collect().await?.len();
        }
    }
    rows.result().await?;
    Ok(format!("{sum} {asked}"))
}

/// Ends this request in some way, or returns.
fn leave(how: &str) {
    match how {
        "trap" => panic!("it was asked for"),
        "spin" => loop {
            std::hint::black_box(how);
        },
        _ => {}
    }
}

fn parameters(target: &Target) -> Vec<Value> {
    let value = |parameter| match parameter {
        Parameter::Null => Value::Null,
        Parameter::Integer(number) => Value::Integer(number),
        Parameter::Real(number) => Value::Real(number),
        Parameter::Text(text) => Value::Text(text),
        Parameter::Blob(bytes) => Value::Blob(bytes),
    };
    sql::parameters(&target.text("p").unwrap_or_default()).into_iter().map(value).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "n".to_owned(),
        Value::Integer(number) => format!("i:{number}"),
        Value::Real(number) => format!("r:{number}"),
        Value::Text(text) => format!("t:{text}"),
        Value::Blob(bytes) => format!("b:{}", sql::hex(bytes)),
    }
}
