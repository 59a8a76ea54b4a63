//! Databases on PostgreSQL servers, by each version of the interface (`v=2`, `3`, or `4` by default): `pg-ask?db=&q=[&p=]`
//! runs statements on one connection and answers the last one's rows, `pg-count` how many it changed, `pg-open?db=&n=`,
//! `pg-leave?db=&q=&how=`; `pg-each?db=&q=` goes on after statements that fail and answers what became of each.

use shared::{
    Target,
    sql::{self, Parameter},
};

pub(crate) fn answer(target: &Target) -> Result<String, String> {
    match target.number_or("v", 4) {
        2 => second::answer(target).map_err(|error| format!("{error:?}")),
        3 => third::answer(target).map_err(|error| format!("{error:?}")),
        _ => fourth::answer(target).map_err(|error| format!("{error:?}")),
    }
}

/// The same for a module of the SDK's.
macro_rules! version {
    ($name:ident $sdk:ident) => {
        mod $name {
            use spin_sdk::$sdk::{Connection, ParameterValue as P, PgError as Error};

            use super::{Parameter, Target, leave, sql};

            pub(super) fn answer(target: &Target) -> Result<String, Error> {
                let database = target.text("db").unwrap_or_default();
                let text = target.text("q").unwrap_or_default();
                let connection = Connection::open(&database)?;
                Ok(match target.behaviour() {
                    "pg-open" => {
                        let open = || Connection::open(&database);
                        let all = (0..target.number_or("n", 1)).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
                        all.len().to_string()
                    }
                    "pg-count" => {
                        let mut count = 0;
                        for statement in sql::statements(&text) {
                            count = connection.execute(statement, &parameters(target))?;
                        }
                        count.to_string()
                    }
                    "pg-each" => {
                        let one = |statement| match ask(&connection, statement, target) {
                            Ok(text) => text,
                            Err(error) => format!("{error:?}"),
                        };
                        sql::statements(&text).map(one).collect::<Vec<_>>().join("\n;;\n")
                    }
                    "pg-leave" => {
                        for statement in sql::statements(&text) {
                            connection.execute(statement, &[])?;
                        }
                        leave(&target.text("how").unwrap_or_default());
                        std::mem::forget(connection);
                        "left".to_owned()
                    }
                    _ => ask(&connection, &text, target)?,
                })
            }

            fn ask(connection: &Connection, text: &str, target: &Target) -> Result<String, Error> {
                let mut answer = String::new();
                for statement in sql::statements(text) {
                    let result = connection.query(statement, &parameters(target))?;
                    let columns: Vec<_> = result.columns.iter().map(|column| column.name.clone()).collect();
                    let rows = result.rows.iter();
                    let shown = rows.map(|row| row.iter().map(|value| format!("{value:?}")).collect());
                    answer = sql::table(&columns, shown);
                }
                Ok(answer)
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
        }
    };
}

version!(second pg);
version!(third pg3);
version!(fourth pg4);

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
