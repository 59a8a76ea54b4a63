//! Databases: `sqlite-ask?db=&q=[&p=]` runs statements on one connection and answers the last one's rows,
//! `sqlite-open?db=&n=`, `sqlite-leave?db=&q=&how=`, `sqlite3?db=`.

use shared::{
    Target,
    sql::{self, Parameter},
};
use spin_sdk::{
    sqlite::{Connection, Error, Value},
    sqlite3,
};

pub(crate) fn answer(target: &Target) -> Result<String, Error> {
    let database = target.text("db").unwrap_or_default();
    let text = target.text("q").unwrap_or_default();
    let connection = Connection::open(&database)?;
    Ok(match target.behaviour() {
        "sqlite-open" => {
            let open = || Connection::open(&database);
            let all = (0..target.number_or("n", 1)).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
            all.len().to_string()
        }
        "sqlite-leave" => {
            for statement in sql::statements(&text) {
                connection.execute(statement, &[])?;
            }
            leave(&target.text("how").unwrap_or_default());
            std::mem::forget(connection);
            "left".to_owned()
        }
        _ => {
            let mut answer = String::new();
            for statement in sql::statements(&text) {
                let result = connection.execute(statement, &parameters(target))?;
                let rows = result.rows.iter().map(|row| row.values.iter().map(shown).collect());
                answer = sql::table(&result.columns, rows);
            }
            answer
        }
    })
}

/// What the SDK's other module of the same kind does: `sqlite3?db=`.
pub(crate) fn third(target: &Target) -> Result<String, sqlite3::Error> {
    let connection = sqlite3::Connection::open(&target.text("db").unwrap_or_default())?;
    connection.execute("CREATE TABLE IF NOT EXISTS third (a)", &[])?;
    connection.execute("DELETE FROM third", &[])?;
    connection.execute("INSERT INTO third VALUES (?1), (?1)", &[sqlite3::Value::Integer(7)])?;
    let (changes, rowid) = (connection.changes(), connection.last_insert_rowid());
    let result = connection.execute("SELECT sum(a) FROM third", &[])?;
    let sum: Option<i64> = result.rows.first().and_then(|row| row.get(0));
    Ok(format!("{changes} {rowid} {sum:?}"))
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
