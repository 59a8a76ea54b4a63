//! MySQL databases: `mysql-ask?db=&q=[&p=]` queries statements on one connection and answers the last one's columns and
//! rows, `mysql-do?db=&q=[&p=]` executes them, `mysql-open?db=&n=`, `mysql-leave?db=&q=&how=`.

use shared::{Target, sql};
use spin_sdk::mysql::{Connection, DbDataType, DbValue, MysqlError, ParameterValue};

pub(crate) fn answer(target: &Target) -> Result<String, MysqlError> {
    let database = target.text("db").unwrap_or_default();
    let text = target.text("q").unwrap_or_default();
    let connection = Connection::open(&database)?;
    Ok(match target.behaviour() {
        "mysql-open" => {
            let open = || Connection::open(&database);
            let all = (0..target.number_or("n", 1)).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
            all.len().to_string()
        }
        "mysql-do" => {
            for statement in sql::statements(&text) {
                connection.execute(statement, &parameters(target))?;
            }
            "done".to_owned()
        }
        "mysql-leave" => {
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
                let result = connection.query(statement, &parameters(target))?;
                let columns: Vec<_> =
                    result.columns.iter().map(|column| format!("{}:{}", column.name, kind(column.data_type))).collect();
                answer = sql::table(&columns, result.rows.iter().map(|row| row.iter().map(shown).collect()));
            }
            answer
        }
    })
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

fn parameters(target: &Target) -> Vec<ParameterValue> {
    let value = |parameter| match parameter {
        sql::Typed::Null => ParameterValue::DbNull,
        sql::Typed::Boolean(is) => ParameterValue::Boolean(is),
        sql::Typed::Signed(number) => ParameterValue::Int64(number),
        sql::Typed::Unsigned(number) => ParameterValue::Uint64(number),
        sql::Typed::Real(number) => ParameterValue::Floating64(number),
        sql::Typed::Text(text) => ParameterValue::Str(text),
        sql::Typed::Bytes(bytes) => ParameterValue::Binary(bytes),
    };
    sql::typed(&target.text("p").unwrap_or_default()).into_iter().map(value).collect()
}

fn kind(kind: DbDataType) -> String {
    format!("{kind:?}").rsplit("::").next().unwrap_or_default().to_lowercase()
}

fn shown(value: &DbValue) -> String {
    match value {
        DbValue::Boolean(is) => format!("bool:{is}"),
        DbValue::Int8(number) => format!("i8:{number}"),
        DbValue::Int16(number) => format!("i16:{number}"),
        DbValue::Int32(number) => format!("i32:{number}"),
        DbValue::Int64(number) => format!("i64:{number}"),
        DbValue::Uint8(number) => format!("u8:{number}"),
        DbValue::Uint16(number) => format!("u16:{number}"),
        DbValue::Uint32(number) => format!("u32:{number}"),
        DbValue::Uint64(number) => format!("u64:{number}"),
        DbValue::Floating32(number) => format!("f32:{number}"),
        DbValue::Floating64(number) => format!("f64:{number}"),
        DbValue::Str(text) => format!("t:{text}"),
        DbValue::Binary(bytes) => format!("b:{}", sql::hex(bytes)),
        DbValue::DbNull => "n".to_owned(),
        DbValue::Unsupported => "unsupported".to_owned(),
    }
}
