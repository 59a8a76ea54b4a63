//! A host that is killed again and again while jobs come and run: nothing that was answered is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use super::*;

const WRITERS: usize = 4;

/// Where the host listens now; none while it is down.
type Address = Arc<Mutex<Option<SocketAddr>>>;

/// Hands in jobs, each under a key of its own, until it is told to stop; one whose answer was lost is handed in again.
async fn write(
    writer: usize,
    address: Address,
    target: Arc<String>,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let mut n = 0;
    while !stop.load(Relaxed) {
        let key = format!("w{writer}n{n}");
        let listen = *address.lock().expect("not poisoned");
        let asked = async {
            let mut connection = Connection::open(listen?, Protocol::Http1).await.ok()?;
            let path = handing_in("a", &format!("{target}%2F{key}"), &format!("wasmbay-job-key: {key}"));
            connection.get(&path).await.ok().filter(|answer| answer.status == 202)
        };
        match asked.await {
            Some(answer) => {
                ids.insert(key, json(&answer)["id"].as_str().expect("an id").to_owned());
                acknowledged.fetch_add(1, Relaxed);
                n += 1;
            }
            // The host is down, or has just gone down: the same again.
            None => tokio::task::yield_now().await,
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_every_job_that_was_answered_runs_and_takes_effect_once_however_often_the_host_is_killed()
-> anyhow::Result<()> {
    let Some(row) = soak::begin("d_02_jobs") else { return Ok(()) };
    let (kills, jobs) = (soak::times(20, 200), soak::times(200, 10_000));
    // The store that checks the key: what came under a path is an effect the first time, and a repetition after.
    let store = Upstream::with_text("ok").await;
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    caller("a", "io", "http02.wasm", &store).write(dir.path())?;
    let config = data.path().join("wasmbay.toml");
    fs::write(&config, "private_networks = [\"127.0.0.1\"]\n[jobs]\nbackoff = \"10ms\"\n")?;
    let config = config.to_string_lossy().into_owned();
    let start = async || {
        serve_over(dir.path(), data.path(), |command| {
            command.args(["--config", &config]).env("WASMBAY_LOG", "off");
        })
        .await
    };
    let target = Arc::new(telling("a", &store, "/effect"));
    let (address, stop) = (Address::default(), Arc::new(AtomicBool::new(false)));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write(
                writer,
                Arc::clone(&address),
                Arc::clone(&target),
                Arc::clone(&acknowledged),
                Arc::clone(&stop),
            ))
        })
        .collect();
    for kill in 0..kills {
        let mut serving = start().await?;
        *address.lock().expect("not poisoned") = Some(serving.listen());
        // At no time in particular: after some more jobs were taken in, while others run.
        let enough = (acknowledged.load(Relaxed) + 1 + kill * 7 % 13).min(jobs);
        let grown = async {
            let mut looks = interval(Duration::from_millis(1));
            while acknowledged.load(Relaxed) < enough {
                looks.tick().await;
            }
        };
        timeout(HANG, grown).await?;
        serving.child.start_kill()?;
        *address.lock().expect("not poisoned") = None;
        serving.child.wait().await?;
    }
    let serving = start().await?;
    *address.lock().expect("not poisoned") = Some(serving.listen());
    let all = async {
        let mut looks = interval(Duration::from_millis(10));
        while acknowledged.load(Relaxed) < jobs {
            looks.tick().await;
        }
    };
    timeout(20 * HANG, all).await?;
    stop.store(true, Relaxed);
    let mut ids = BTreeMap::new();
    for writer in writers {
        ids.extend(writer.await?);
    }
    let counts = async || -> anyhow::Result<BTreeMap<String, u64>> {
        let listed = json(&serving.ask_admin("/jobs").await?);
        let counts = listed["counts"].as_array().expect("a list").iter();
        Ok(counts
            .map(|count| {
                (count["state"].as_str().expect("a state").to_owned(), count["jobs"].as_u64().expect("a number"))
            })
            .collect())
    };
    let idle = async {
        let mut looks = interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let counts = counts().await?;
            if counts.keys().all(|state| ["done", "dead"].contains(&state.as_str())) {
                return anyhow::Ok(counts);
            }
        }
    };
    let counts = timeout(20 * HANG, idle).await??;
    // Each key once: not stored twice though it was handed in again, and none given up. A writer's last one may have
    // been stored without an answer.
    assert_eq!(counts.get("dead"), None, "{counts:?}");
    let stored = counts["done"] as usize;
    assert!((ids.len()..=ids.len() + WRITERS).contains(&stored), "{stored} stored, {} answered", ids.len());
    assert_eq!(ids.values().collect::<BTreeSet<_>>().len(), ids.len(), "an id is one job's");
    let came = store.heads();
    let effects: BTreeSet<_> = came
        .iter()
        .filter_map(|head| head.strip_prefix("GET /effect/")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let lost: Vec<_> = ids.keys().filter(|key| !effects.contains(*key)).collect();
    assert!(lost.is_empty(), "{lost:?} were answered and never ran");
    assert!(effects.len() <= stored, "{} effects of {stored} jobs", effects.len());
    for head in &came {
        let key = head.strip_prefix("GET /effect/").and_then(|rest| rest.split(' ').next());
        assert_eq!(header(head, "x-wasmbay-job-key"), key, "the key reaches the plugin: {head}");
    }
    // Only what a kill cut short ran again.
    let again = came.len() - effects.len();
    assert!(again <= kills * 16, "{again} runs more than jobs");
    eprintln!("{kills} kills: {} jobs answered, {stored} stored, all ran; {again} runs more", ids.len());
    serving.signal("TERM").await?;
    serving.ended().await?;
    row.passed();
    Ok(())
}
