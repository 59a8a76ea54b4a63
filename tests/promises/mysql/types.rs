//! Values: each type is told by its kind, and comes back as it was given.

use wasmbay_tests::house::House;

use super::{CLIENTS, ask, client, place, q, with};

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_guests_of_spins_sdks_are_told_every_type_by_its_kind() {
    let (_, database, folder) = place().await;
    let plugins: Vec<_> =
        (0..).zip(CLIENTS).map(|(n, (guest, lane)): (u32, _)| client(&format!("p{n}"), lane, guest)).collect();
    let house = House::with(with(&database, "", folder.path()), &plugins).await;
    for (number, (guest, lane)) in (0..).zip(CLIENTS) {
        let get = async |what: &str| house.get(&format!("/p{number}/{what}")).await.text().to_owned();
        for (kind, literal, told) in [
            ("TINYINT", "-128", "int8 i8:-128"),
            ("BOOLEAN", "TRUE", "int8 i8:1"),
            ("TINYINT UNSIGNED", "255", "uint8 u8:255"),
            ("SMALLINT", "-32768", "int16 i16:-32768"),
            ("SMALLINT UNSIGNED", "65535", "uint16 u16:65535"),
            ("YEAR", "2024", "uint16 u16:2024"),
            ("MEDIUMINT", "-8388608", "int32 i32:-8388608"),
            ("INT", "-2147483648", "int32 i32:-2147483648"),
            ("INT UNSIGNED", "4294967295", "uint32 u32:4294967295"),
            ("BIGINT", "-9223372036854775808", "int64 i64:-9223372036854775808"),
            ("BIGINT UNSIGNED", "18446744073709551615", "uint64 u64:18446744073709551615"),
            ("FLOAT", "0.5", "floating32 f32:0.5"),
            ("DOUBLE", "0.1", "floating64 f64:0.1"),
            ("DECIMAL(20,4)", "-1234567890123456.7000", "str t:-1234567890123456.7000"),
            ("DATE", "'2024-02-29'", "str t:2024-02-29"),
            ("DATETIME(6)", "'2024-02-29 23:59:59.000001'", "str t:2024-02-29 23:59:59.000001"),
            ("TIMESTAMP NULL", "'2024-02-29 23:59:59'", "str t:2024-02-29 23:59:59"),
            ("TIME", "'-838:59:59'", "str t:-838:59:59"),
            ("VARCHAR(9)", "'é\u{1F600}'", "str t:é\u{1F600}"),
            ("TEXT", "'x'", "str t:x"),
            ("JSON", "'{\"a\":1}'", "str t:{\"a\":1}"),
            ("ENUM('a','b')", "'b'", "str t:b"),
            ("SET('a','b')", "'a,b'", "str t:a,b"),
            ("VARBINARY(4)", "x'00ff'", "binary b:00ff"),
            ("BLOB", "x'00ff'", "binary b:00ff"),
            ("BIT(9)", "b'100000001'", "binary b:0101"),
            ("INT", "NULL", "int32 n"),
        ] {
            let (told_kind, value) = told.split_once(' ').expect("two words");
            let statements = format!(
                "DROP TABLE IF EXISTS t{number};; CREATE TABLE t{number} (a {kind});; \
                 INSERT INTO t{number} VALUES ({literal});; SELECT a FROM t{number}"
            );
            assert_eq!(get(&ask(&statements)).await, format!("a:{told_kind}\n{value}"), "{guest} {lane} {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_as_a_parameter_comes_back_as_it_was() {
    let (_, database, folder) = place().await;
    let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let house = House::with(with(&database, "", folder.path()), &plugins).await;
    for plugin in ["a", "b"] {
        let get = async |what: &str| house.get(&format!("/{plugin}/{what}")).await.text().to_owned();
        for (kind, given, told) in [
            ("BIGINT UNSIGNED", "u:18446744073709551615", "u64:18446744073709551615"),
            ("BIGINT", "i:-9223372036854775808", "i64:-9223372036854775808"),
            ("BOOLEAN", "z:true", "i8:1"),
            ("DOUBLE", "r:0.1", "f64:0.1"),
            ("TEXT", "t:%C3%A9%27%00%F0%9F%98%80", "t:é'\0\u{1F600}"),
            ("BLOB", "b:00ff80c328", "b:00ff80c328"),
            ("DECIMAL(30,10)", "t:12345678901234567890.0123456789", "t:12345678901234567890.0123456789"),
            ("DATETIME(3)", "t:1999-12-31%2023:59:59.999", "t:1999-12-31 23:59:59.999"),
            ("INT", "n", "n"),
        ] {
            let made = get(&ask(&format!("DROP TABLE IF EXISTS {plugin};; CREATE TABLE {plugin} (a {kind})"))).await;
            assert_eq!(made, "", "{made}");
            let done =
                get(&format!("mysql-do?db=main&q={}&p={given}", q(&format!("INSERT INTO {plugin} VALUES (?)")))).await;
            assert_eq!(done, "done", "{plugin} {kind}");
            let read = get(&ask(&format!("SELECT a FROM {plugin}"))).await;
            assert_eq!(read.lines().nth(1), Some(told), "{plugin} {kind}: {read}");
        }
        for (given, statement, why) in [
            ("n,n", "SELECT ?", "BadParameter(\"the statement has 1 parameters and 2 were given"),
            ("r:NaN", "SELECT ?", "BadParameter(\"parameter 1 is no number"),
            ("", "SELECT 1; SELECT 2", "QueryFailed(\"ERROR 1064"),
            ("", "SELECT :name", "Other(\"a statement may have no name right after a colon"),
            ("", "INSERT INTO nowhere VALUES (1)", "nowhere"),
            ("", "SELECT 1 FROM mysql.user", "QueryFailed(\"ERROR 1142"),
        ] {
            let wrong = get(&format!("mysql-do?db=main&q={}%20&p={given}", q(statement))).await;
            assert!(wrong.contains(why), "{plugin} {statement}: {wrong}");
        }
        // Of many: the handle is as good as before.
        let after = get(&ask("SELECT 1 AS n")).await;
        assert_eq!(after.lines().nth(1), Some("i32:1"), "{after}");
    }
}
