//! A host that is killed again and again under load: it answers again at once, and nothing grows.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol, encoded},
    house::Plugin,
    serving::{Serving, serve_over},
    soak,
};

/// From one kill to the next.
const PAUSE: Duration = Duration::from_secs(2);

/// From the start of a process to its first answer: a build without optimisation on a machine under load. As it is shipped
/// it takes a second at most.
const UP: Duration = Duration::from_secs(10);

/// What is asked all the time, and the good answers' statuses: work without a trace, keys, rows and jobs that are the same
/// fifty again and again.
fn load(n: usize) -> (String, u16) {
    let (kind, n) = (n % 4, n / 4 % 50);
    let statement = encoded(&format!("INSERT OR REPLACE INTO t VALUES ({n}, 'x')"));
    let job = encoded("http://jobs.wasmbay.internal/a/a/hello");
    match kind {
        0 => ("/a/hello".to_owned(), 200),
        1 => (format!("/p/set?store=s&key=k{n}&value=x"), 200),
        2 => (format!("/p/sqlite-ask?db=main&q={statement}"), 200),
        _ => (format!("/a/call?method=POST&url={job}&head={}", encoded(&format!("wasmbay-job-key: k{n}"))), 202),
    }
}

/// Clients that ask for as long as there is somebody to be asked, and what they were answered by status.
struct Crowd {
    address: watch::Sender<Option<SocketAddr>>,
    answers: Arc<Mutex<BTreeMap<u16, usize>>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Crowd {
    fn of(clients: usize) -> Self {
        let (address, listening) = watch::channel(None);
        let (answers, wrong) = (Arc::<Mutex<BTreeMap<u16, usize>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let asked = Arc::new(AtomicUsize::new(0));
        for _ in 0..clients {
            let (mut listening, answers, wrong) = (listening.clone(), Arc::clone(&answers), Arc::clone(&wrong));
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                // Ends with the crowd.
                while let Ok(to) = listening.wait_for(Option::is_some).await.map(|to| to.expect("somebody listens")) {
                    let (path, good) = load(asked.fetch_add(1, Relaxed));
                    let answer = async { Connection::open(to, Protocol::Http1).await?.get(&path).await }.await;
                    // One that broke off was the kill's.
                    let Ok(answer) = answer else { continue };
                    *answers.lock().expect("not poisoned").entry(answer.status.as_u16()).or_default() += 1;
                    if answer.status != good || answer.text().contains("Error") {
                        wrong.lock().expect("not poisoned").push(format!(
                            "{path}: {} {}",
                            answer.status,
                            answer.text()
                        ));
                    }
                }
            });
        }
        Self { address, answers, wrong }
    }
}

/// Files below a folder and their bytes.
fn footprint(folder: &Path) -> std::io::Result<(usize, u64)> {
    let mut all = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (files, bytes) = match entry.metadata() {
            Ok(found) if found.is_dir() => footprint(&entry.path())?,
            Ok(found) => (1, found.len()),
            // One that has gone meanwhile.
            Err(_) => (0, 0),
        };
        all = (all.0 + files, all.1 + bytes);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn d_13_killed_every_two_seconds_under_load() -> anyhow::Result<()> {
    let Some(row) = soak::begin("d_13") else { return Ok(()) };
    let kills = soak::times(15, 300);
    let (dir, data, temporary) = (TempDir::new()?, TempDir::new()?, TempDir::new()?);
    Plugin::new("p", "io", "spin03.wasm").with("[grants]\nkv = [\"s\"]\nsql = [\"main\"]").write(dir.path())?;
    Plugin::new("a", "io", "http02.wasm").with("[grants]\njobs = true").write(dir.path())?;
    let start = async || -> anyhow::Result<(Serving, Duration)> {
        let begun = Instant::now();
        let serving = serve_over(dir.path(), data.path(), |command| {
            command.env("TMPDIR", temporary.path()).env("WASMBAY_LOG", "off");
        })
        .await?;
        let first = Connection::open(serving.listen(), Protocol::Http1).await?.get("/a/hello").await?;
        assert_eq!(first.status, 200, "who says that it is ready is");
        Ok((serving, begun.elapsed()))
    };
    // Everything is compiled and made once.
    let (serving, _) = start().await?;
    let table = encoded("CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
    let made = Connection::open(serving.listen(), Protocol::Http1).await?;
    assert_eq!({ made }.get(&format!("/p/sqlite-ask?db=main&q={table}")).await?.text(), "");
    serving.signal("TERM").await?;
    serving.ended().await?;

    let (crowd, mut up) = (Crowd::of(6), Vec::new());
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace.tick().await;
    let (mut settled, folders) = ((0, 0), [data.path(), temporary.path()]);
    let held = || -> std::io::Result<(usize, u64)> {
        let [state, temporary] = [footprint(folders[0])?, footprint(folders[1])?];
        Ok((state.0 + temporary.0, state.1 + temporary.1))
    };
    for kill in 0..kills {
        let (mut serving, took) = timeout(HANG, start()).await??;
        assert!(took < UP, "it took {took:?} to answer");
        up.push(took);
        crowd.address.send_replace(Some(serving.listen()));
        pace.tick().await;
        serving.child.start_kill()?;
        crowd.address.send_replace(None);
        serving.child.wait().await?;
        if kill == kills / 3 {
            settled = held()?;
        }
    }
    let (files, bytes) = held()?;
    // A write-ahead log and its index come and go; nothing else does, and a log has its own bound.
    assert!(files <= settled.0 + 6, "{files} files, of {} after a third of the time", settled.0);
    assert!(bytes <= settled.1 + (24 << 20), "{bytes} bytes, of {} after a third of the time", settled.1);
    let wrong = crowd.wrong.lock().expect("not poisoned").clone();
    assert!(wrong.is_empty(), "{} answers: {:#?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    let answers = crowd.answers.lock().expect("not poisoned").clone();
    assert!(answers.values().sum::<usize>() > kills, "there was no load: {answers:?}");
    up.sort();
    eprintln!(
        "{kills} kills: up after {:?} at the median, {:?} at most; {answers:?}; {files} files, {bytes} bytes ({:?} after a third)",
        up[up.len() / 2],
        up[up.len() - 1],
        settled
    );
    let (serving, _) = start().await?;
    serving.signal("TERM").await?;
    serving.ended().await?;
    row.passed();
    Ok(())
}
