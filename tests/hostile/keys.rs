//! Guests that mean harm to the disk, or look for what others keep.

use std::fs;

use wasmbay_tests::serving::bin;

use crate::{
    scene::{Scene, each},
    stage::POOLS,
};

/// Every guest that keeps keys, and the lanes it runs in.
const KEEPERS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

pub(crate) async fn g_37_more_keys_than_there_may_be_and_those_of_others() {
    let data = bin().parent().expect("the binary lies in a folder").join("tests-data/keys");
    // What an earlier run has left behind.
    let _ = fs::remove_dir_all(&data);
    let settings = format!("{POOLS}[kv]\nstores = 1\nkeys = 1000\nbytes = \"1MiB\"\nvalue = \"64KiB\"\n");
    let lines = "[limits]\ntimeout = \"1m\"\ncpu = \"20s\"\nfuel = \"900G\"\n[grants]\nkv = [\"s\", \"t\"]";
    let plugins = KEEPERS.iter().zip(each(&KEEPERS, "")).map(|((_, lane), plugin)| {
        let fits = |line: &&str| *lane == "compute" || !line.starts_with("fuel");
        plugin.with(&lines.lines().filter(fits).collect::<Vec<_>>().join("\n"))
    });
    let scene = Scene::apart(&settings, plugins.collect()).await;
    let faults = scene.faults().await;
    assert!(faults.values().all(Vec::is_empty), "{faults:#?}");
    for (number, keeper) in KEEPERS.iter().enumerate() {
        let ask = async |what: &str| scene.get(&format!("/p{number}/{what}")).await.text().to_owned();
        let refused = async |what: &str, words: &str| {
            let answer = ask(what).await;
            assert!(answer.contains(words), "{keeper:?} {what}: {answer}");
        };
        // A million keys, from many requests at once: the store ends where it may.
        let floods: Vec<_> = (0..8).map(|_| scene.ask(&format!("/p{number}/fill?store=s&n=1000000&bytes=0"))).collect();
        for flood in floods {
            let answer = flood.await.expect("no panic").expect("an answer").text().to_owned();
            assert!(answer.starts_with("1000 then") && answer.contains("1000 keys already"), "{keeper:?}: {answer}");
        }
        refused("set?store=s&key=k0&bytes=65537", "a value may have 65536 bytes").await;
        refused("set?store=s&key=k0&bytes=8000000", "a value may have 65536 bytes").await;
        // More than may be handed over in one call at all.
        assert_eq!(scene.get(&format!("/p{number}/set?store=s&key=k0&bytes=16000000")).await.problem()["code"], "trap");
        refused("fill?store=s&n=1000&bytes=65536", "the store may hold 1048576 bytes").await;
        refused("set?store=t&key=k&value=1", "the tenant has 1 stores already").await;
        refused(&format!("get?store=s&key={}", "k".repeat(2000)), "a key may have 1024 bytes").await;
        // Names that lead elsewhere in a file system are names like others, of keys; of stores there are the granted ones.
        for key in ["%00", "..%2F..%2Fc", "c%2Fk", "%27%3B%20DROP%20TABLE%20entry%3B%20--", "%F0%9F%90%98"] {
            assert_eq!(ask("delete?store=s&key=k999").await, "deleted");
            assert_eq!(ask(&format!("set?store=s&key={key}&value=mine")).await, "set", "{keeper:?} {key}");
            assert_eq!(ask(&format!("get?store=s&key={key}")).await, "mine", "{keeper:?} {key}");
            assert_eq!(ask(&format!("delete?store=s&key={key}")).await, "deleted");
        }
        for store in ["c", "..%2Fc", "S", "s%00", "", "sqlite_master"] {
            refused(&format!("get?store={store}&key=k"), "AccessDenied").await;
        }
        assert_eq!(ask("keys?store=s").await.split(',').count(), 999, "{keeper:?}");
    }
    // Handles by the thousand, of which each costs the host some memory.
    for number in [0, 1] {
        let answer = scene.get(&format!("/p{number}/open?store=s&n=100000")).await.text().to_owned();
        assert!(answer.contains("StoreTableFull"), "{answer}");
    }
    let files = fs::read_dir(&data).expect("it is there").map(|file| file.expect("a file").file_name());
    let files: Vec<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(files.iter().all(|name| name.starts_with("a.sqlite")), "{files:?}");
    let bytes: u64 = files.iter().map(|name| fs::metadata(data.join(name)).map_or(0, |file| file.len())).sum();
    assert!(bytes < 16 << 20, "{bytes} bytes are on the disk");
    scene.end().await;
}
