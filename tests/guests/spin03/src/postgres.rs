//! Databases on PostgreSQL servers: `pg-ask?db=&q=[&p=]` runs statements on one connection and answers the last one's
//! rows, `pg-count?db=&q=[&p=]` how many the last one changed, `pg-open?db=&n=`, `pg-leave?db=&q=&how=`;
//! `pg-each?db=&q=` goes on after statements that fail and answers what became of each;
//! `pg-some?db=&q=&n=` reads so many rows and leaves, `pg-nest?db=&n=` runs others between them;
//! `pg-types?db=` gives and takes a value of every kind, `pg-build?db=` opens by the builder.

use shared::{
    Target,
    sql::{self, Parameter},
};
use spin_sdk::pg::{
    Certificate, Connection, DbValue, Error, Interval, OpenOptions, ParameterValue as P, RangeBoundKind as Bound,
};

pub(crate) async fn answer(target: &Target) -> Result<String, Error> {
    let database = target.text("db").unwrap_or_default();
    let text = target.text("q").unwrap_or_default();
    if target.behaviour() == "pg-build" {
        let ca_root = target.text("ca").map(Certificate::Text);
        let connection = Connection::open_with_options(&database, OpenOptions { ca_root }).await?;
        return ask(&connection, &text, target).await;
    }
    let connection = Connection::open(&database).await?;
    Ok(match target.behaviour() {
        "pg-open" => {
            let mut all = Vec::new();
            for _ in 0..target.number_or("n", 1) {
                all.push(Connection::open(&database).await?);
            }
            all.len().to_string()
        }
        "pg-count" => {
            let mut count = 0;
            for statement in sql::statements(&text) {
                count = connection.execute(statement, parameters(target)).await?;
            }
            count.to_string()
        }
        "pg-each" => {
            let mut all = Vec::new();
            for statement in sql::statements(&text) {
                all.push(match ask(&connection, statement, target).await {
                    Ok(text) => text,
                    Err(error) => format!("{error:?}"),
                });
            }
            all.join("\n;;\n")
        }
        "pg-leave" => {
            for statement in sql::statements(&text) {
                connection.execute(statement, []).await?;
            }
            leave(&target.text("how").unwrap_or_default());
            std::mem::forget(connection);
            "left".to_owned()
        }
        "pg-some" => {
            let mut rows = connection.query(text, []).await?;
            for _ in 0..target.number_or("n", 1) {
                rows.next().await;
            }
            "some".to_owned()
        }
        "pg-nest" => nest(&connection, target.number_or("n", 1)).await?,
        "pg-types" => types(&connection).await?,
        _ => ask(&connection, &text, target).await?,
    })
}

async fn ask(connection: &Connection, text: &str, target: &Target) -> Result<String, Error> {
    let mut answer = String::new();
    for statement in sql::statements(text) {
        let result = connection.query(statement, parameters(target)).await?;
        let columns: Vec<_> = result.columns().iter().map(|column| column.name.clone()).collect();
        let rows = result.collect().await?;
        let shown = |row: &spin_sdk::pg::Row| (0..columns.len()).map(|place| format!("{:?}", row[place])).collect();
        answer = sql::table(&columns, rows.iter().map(shown));
    }
    Ok(answer)
}

/// Reads `n` rows as they come, with a statement between them now and then.
async fn nest(connection: &Connection, n: u64) -> Result<String, Error> {
    let text = "SELECT i, repeat('x', 100) FROM generate_series(1, $1::int8) AS i";
    let mut rows = connection.query(text, [P::Int64(n as i64)]).await?;
    let (mut sum, mut asked) = (0, 0);
    while let Some(row) = rows.next().await {
        let DbValue::Int64(number) = row[0] else { continue };
        sum += number;
        if number % 1000 == 0 {
            asked += connection.query("SELECT 1", []).await?.collect().await?.len();
        }
    }
    rows.result().await?;
    Ok(format!("{sum} {asked}"))
}

/// Gives a value of every kind and takes it back; answers those that came back otherwise.
async fn types(connection: &Connection) -> Result<String, Error> {
    let text = |text: &str| text.to_owned();
    let cases = [
        ("boolean", P::Boolean(true)),
        ("\"char\"", P::Int8(-3)),
        ("int2", P::Int16(i16::MIN)),
        ("int4", P::Int32(i32::MIN)),
        ("int8", P::Int64(i64::MIN)),
        ("float4", P::Floating32(0.1)),
        ("float8", P::Floating64(f64::MIN_POSITIVE)),
        ("float8", P::Floating64(f64::NEG_INFINITY)),
        ("text", P::Str(text("é'\"\\"))),
        ("varchar", P::Str(text(""))),
        ("bytea", P::Binary(vec![0, 255, 92])),
        ("date", P::Date((-43, 3, 15))),
        ("date", P::Date((5_874_897, 12, 31))),
        ("time", P::Time((23, 59, 59, 999_999_000))),
        ("timestamp", P::Datetime((1969, 12, 31, 23, 59, 59, 999_999_000))),
        ("timestamptz", P::Datetime((2024, 2, 29, 12, 30, 0, 0))),
        ("uuid", P::Uuid(text("00112233-4455-6677-8899-aabbccddeeff"))),
        ("jsonb", P::Jsonb(b"{\"a\": [1, null]}".to_vec())),
        ("json", P::Jsonb(b"{\"a\":1}".to_vec())),
        ("numeric", P::Decimal(text("-123456789012345678901234567890.000000000000000000000000012340"))),
        ("numeric", P::Decimal(text("0.00001"))),
        ("numeric", P::Decimal(text("NaN"))),
        ("int4range", P::RangeInt32((Some((1, Bound::Inclusive)), Some((5, Bound::Exclusive))))),
        ("int8range", P::RangeInt64((Some((i64::MIN, Bound::Inclusive)), None))),
        ("numrange", P::RangeDecimal((Some((text("1.5"), Bound::Exclusive)), Some((text("2.50"), Bound::Inclusive))))),
        ("int4[]", P::ArrayInt32(vec![Some(1), None, Some(-1)])),
        ("int8[]", P::ArrayInt64(vec![])),
        ("numeric[]", P::ArrayDecimal(vec![Some(text("1.10")), None])),
        ("text[]", P::ArrayStr(vec![Some(text("a,\"b\\{}")), None, Some(text("NULL"))])),
        ("interval", P::Interval(Interval { micros: i64::MIN + 1, days: -2, months: 3 })),
        ("text", P::DbNull),
    ];
    let mut wrong = Vec::new();
    for (ty, given) in cases {
        let said = format!("{given:?}");
        let rows = connection.query(format!("SELECT $1::{ty}"), [given]).await?.collect().await?;
        let taken = rows.first().map(|row| format!("{:?}", row[0])).unwrap_or_default();
        if taken.trim_start_matches("DbValue::") != said.trim_start_matches("ParameterValue::") {
            wrong.push(format!("{ty}: {said} {taken}"));
        }
    }
    // Seconds are an instant, whose day and hour come back.
    let rows = connection.query("SELECT $1::timestamptz", [P::Timestamp(-1)]).await?.collect().await?;
    wrong.push(rows.first().map(|row| format!("{:?}", row[0])).unwrap_or_default());
    Ok(wrong.join("\n"))
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

fn parameters(target: &Target) -> Vec<P> {
    let value = |parameter| match parameter {
        Parameter::Null => P::DbNull,
        Parameter::Integer(number) => P::Int64(number),
        Parameter::Real(number) => P::Floating64(number),
        Parameter::Text(text) => P::Str(text),
        Parameter::Blob(bytes) => P::Binary(bytes),
    };
    sql::parameters(&target.text("p").unwrap_or_default()).into_iter().map(value).collect()
}
