//! Keys, rows and jobs that were answered are there, however the host ends and whatever its disk does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};
use wasmbay_tests::{
    client::{Answer, Connection, HANG, Protocol, encoded},
    faults::{Disk, Rates},
    house::Plugin,
    serving::{Serving, serve_over},
    soak,
    upstream::Upstream,
};

/// What is written, and how its writer knows that it was answered as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Key,
    Row,
    Job,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Key, Self::Row, Self::Job];

    /// The request that writes this name; a job tells `store` of it when it runs.
    fn asks(self, name: &str, store: &Upstream) -> String {
        match self {
            Self::Key => format!("/p/set?store=s&key={name}&value=of-{name}"),
            // Both rows, or none.
            Self::Row => {
                let pair = format!("INSERT INTO t VALUES ('{name}');; INSERT INTO t VALUES ('{name}-too')");
                sql(&format!("BEGIN IMMEDIATE;; {pair};; COMMIT"))
            }
            Self::Job => {
                let effect = encoded(&format!("{}/effect/{name}", store.url()));
                let job = encoded(&format!("http://jobs.wasmbay.internal/a/a/call?url={effect}"));
                format!("/a/call?method=POST&url={job}&head={}", encoded(&format!("wasmbay-job-key: {name}")))
            }
        }
    }

    fn is_done(self, answer: &Answer) -> bool {
        match self {
            Self::Key => answer.text() == "set",
            Self::Row => answer.status == 200 && answer.text().is_empty(),
            Self::Job => answer.status == 202,
        }
    }
}

fn sql(statements: &str) -> String {
    format!("/p/sqlite-ask?db=main&q={}", encoded(statements))
}

async fn ask(to: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    Connection::open(to, Protocol::Http1).await?.get(path).await
}

/// Who writes, and what was answered as done.
struct Writers {
    store: Arc<Upstream>,
    done: Arc<Mutex<BTreeMap<Kind, BTreeSet<String>>>>,
    names: Arc<AtomicUsize>,
}

impl Writers {
    fn count(&self, kind: Kind) -> usize {
        self.done.lock().expect("not poisoned").get(&kind).map_or(0, BTreeSet::len)
    }

    /// Writes once; whether it was answered as done.
    async fn write(&self, to: SocketAddr, kind: Kind) -> anyhow::Result<bool> {
        let name = format!("n{}", self.names.fetch_add(1, Relaxed));
        let done = kind.is_done(&ask(to, &kind.asks(&name, &self.store)).await?);
        if done {
            self.done.lock().expect("not poisoned").entry(kind).or_default().insert(name);
        }
        Ok(done)
    }

    /// Writes under new names until the host is gone.
    fn begin(self: &Arc<Self>, to: SocketAddr, kind: Kind) -> JoinHandle<()> {
        let writers = Arc::clone(self);
        tokio::spawn(async move { while writers.write(to, kind).await.is_ok() {} })
    }

    /// Waits until so many more of each kind were answered as done.
    async fn more(&self, more: usize) -> anyhow::Result<()> {
        let enough = Kind::ALL.map(|kind| (kind, self.count(kind) + more));
        let grown = async {
            let mut looks = interval(Duration::from_millis(2));
            while enough.iter().any(|(kind, enough)| self.count(*kind) < *enough) {
                looks.tick().await;
            }
        };
        Ok(timeout(4 * HANG, grown).await?)
    }

    /// Everything that was answered as done is there.
    async fn are_kept(&self, serving: &Serving, when: &str) -> anyhow::Result<()> {
        let done = self.done.lock().expect("not poisoned").clone();
        let to = serving.listen();
        let keys = ask(to, "/p/keys?store=s").await?.text().to_owned();
        let rows = ask(to, &sql("SELECT a FROM t")).await?.text().to_owned();
        let sound = ask(to, &sql("PRAGMA integrity_check")).await?;
        assert_eq!(sound.text(), "integrity_check\nt:ok", "{when}");
        let keys: BTreeSet<_> = keys.split(',').map(str::to_owned).collect();
        let rows: BTreeSet<_> = rows.lines().skip(1).map(|row| row.trim_start_matches("t:").to_owned()).collect();
        let asked = self.names.load(Relaxed);
        let is_ours = |name: &String| {
            let number = name.strip_prefix('n')?.trim_end_matches("-too").parse::<usize>().ok()?;
            (number < asked).then_some(())
        };
        for name in keys.iter().chain(&rows).filter(|name| !name.is_empty()) {
            assert!(is_ours(name).is_some(), "{when}: nobody wrote {name}");
        }
        for name in done.get(&Kind::Key).into_iter().flatten().rev().take(5) {
            assert_eq!(ask(to, &format!("/p/get?store=s&key={name}")).await?.text(), format!("of-{name}"), "{when}");
        }
        for (kind, kept) in [(Kind::Key, &keys), (Kind::Row, &rows)] {
            let lost: Vec<_> = done.get(&kind).into_iter().flatten().filter(|name| !kept.contains(*name)).collect();
            assert!(lost.is_empty(), "{when}: {kind:?} lost {lost:?}");
        }
        let halves: Vec<_> =
            rows.iter().filter(|row| !row.ends_with("-too") && !rows.contains(&format!("{row}-too"))).collect();
        assert!(halves.is_empty(), "{when}: {halves:?}");
        Ok(())
    }

    /// Every job that was answered as taken has run.
    async fn jobs_ran(&self) {
        let answered = self.done.lock().expect("not poisoned").get(&Kind::Job).cloned().unwrap_or_default();
        let lost = || -> BTreeSet<String> {
            let heads = self.store.heads();
            let name = |head: &String| Some(head.strip_prefix("GET /effect/")?.split(' ').next()?.to_owned());
            let effects: BTreeSet<_> = heads.iter().filter_map(name).collect();
            answered.difference(&effects).cloned().collect()
        };
        let ran = async {
            let mut looks = interval(Duration::from_millis(20));
            while !lost().is_empty() {
                looks.tick().await;
            }
        };
        assert!(timeout(4 * HANG, ran).await.is_ok(), "jobs were lost: {:?}", lost());
    }
}

/// A folder of plugins that write, the state they write to, and the disk below it.
struct House {
    dir: TempDir,
    data: TempDir,
    disk: Disk,
    writers: Arc<Writers>,
}

impl House {
    async fn new() -> anyhow::Result<Self> {
        let (dir, data) = (TempDir::new()?, TempDir::new()?);
        let disk = Disk::under(data.path())?;
        let store = Arc::new(Upstream::with_text("ok").await);
        let limits = "[limits]\ncpu = \"20s\"\n";
        Plugin::new("p", "io", "spin03.wasm")
            .with(&format!("{limits}[grants]\nkv = [\"s\"]\nsql = [\"main\"]"))
            .write(dir.path())?;
        Plugin::new("a", "io", "http02.wasm")
            .with(&format!("{limits}[grants]\njobs = true\nhttp = [\"{}\"]", store.url()))
            .write(dir.path())?;
        fs::write(
            data.path().join("wasmbay.toml"),
            "private_networks = [\"127.0.0.1\"]\n[jobs]\nbackoff = \"10ms\"\n",
        )?;
        let (done, names) = (Arc::default(), Arc::default());
        Ok(Self { dir, data, disk, writers: Arc::new(Writers { store, done, names }) })
    }

    /// A host that has everything that was answered so far.
    async fn open(&self, fails: bool, when: &str) -> anyhow::Result<Serving> {
        let serving = serve_over(self.dir.path(), self.data.path(), |command| {
            command.arg("--config").arg(self.data.path().join("wasmbay.toml")).env("WASMBAY_LOG", "off");
            if fails {
                self.disk.put_under(command);
            }
        })
        .await?;
        let table = ask(serving.listen(), &sql("CREATE TABLE IF NOT EXISTS t (a TEXT PRIMARY KEY)")).await?;
        assert_eq!(table.text(), "");
        self.writers.are_kept(&serving, when).await?;
        Ok(serving)
    }

    /// Two of each kind.
    fn begin(&self, to: SocketAddr) -> Vec<JoinHandle<()>> {
        [0, 1].into_iter().flat_map(|_| Kind::ALL).map(|kind| self.writers.begin(to, kind)).collect()
    }

    /// Sees that all is there at the end, and says what that was.
    async fn end(self, fails: bool, what: &str) -> anyhow::Result<()> {
        let serving = self.open(fails, "at the end").await?;
        self.writers.jobs_ran().await;
        let done = Kind::ALL.map(|kind| (kind, self.writers.count(kind)));
        eprintln!("{what}; answered and kept: {done:?}");
        serving.signal("TERM").await?;
        serving.ended().await?;
        Ok(())
    }
}

async fn kill(mut serving: Serving, writers: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    serving.child.start_kill()?;
    serving.child.wait().await?;
    for writer in writers {
        writer.await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_killed_while_keys_rows_and_jobs_are_written() -> anyhow::Result<()> {
    let Some(row) = soak::begin("d_02_keys_rows_and_jobs") else { return Ok(()) };
    let (rounds, house) = (soak::times(20, 1000), House::new().await?);
    for round in 0..rounds {
        let serving = house.open(false, &format!("before round {round}")).await?;
        let writers = house.begin(serving.listen());
        // At no time in particular.
        house.writers.more(1 + round * 7 % 13).await?;
        kill(serving, writers).await?;
    }
    house.end(false, &format!("{rounds} kills")).await?;
    row.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn d_05_what_was_answered_is_there_after_a_disk_that_fails_and_a_power_cut() -> anyhow::Result<()> {
    let Some(row) = soak::begin("d_05") else { return Ok(()) };
    let (rounds, house) = (soak::times(12, 200), House::new().await?);
    let disk = &house.disk;
    for round in 0..rounds {
        let serving = house.open(true, &format!("before round {round}")).await?;
        let (to, before) = (serving.listen(), disk.failed());
        // From a disk that fails now and then to one that fails most of the time.
        let sync = [5_000, 50_000, 300_000][round % 3];
        disk.fails(Rates { read: 20_000, write: 2_000, shortened: 5_000, sync });
        let writers = house.begin(to);
        house.writers.more(5 + round % 7).await?;
        if round % 4 == 1 {
            nothing_is_promised_that_is_not_on_the_disk(disk, &house.writers, to).await?;
        }
        kill(serving, writers).await?;
        disk.fails(Rates::default());
        assert_ne!(disk.failed(), before, "the disk has not failed");
        disk.cut_power()?;
    }
    let failed = disk.failed();
    assert!(failed.reads > 0 && failed.writes > 0 && failed.shortened > 0 && failed.syncs > 0, "{failed:?}");
    house.end(true, &format!("{rounds} power cuts, {failed:?}")).await?;
    row.passed();
    Ok(())
}

/// A disk that flushes nothing at all: no write is answered as done, guests are served, and it is over when the disk works.
async fn nothing_is_promised_that_is_not_on_the_disk(
    disk: &Disk,
    writers: &Writers,
    to: SocketAddr,
) -> anyhow::Result<()> {
    disk.fails(Rates { sync: 1_000_000, ..Rates::default() });
    // What was flushed before this moment may still be answered.
    for kind in Kind::ALL {
        while writers.write(to, kind).await? {}
    }
    for kind in Kind::ALL {
        for _ in 0..4 {
            assert!(!writers.write(to, kind).await?, "{kind:?}: it was answered as done and is on no disk");
        }
    }
    assert_eq!(ask(to, "/a/hello").await?.status, 200);
    disk.fails(Rates::default());
    let recovered = async {
        for kind in Kind::ALL {
            while !writers.write(to, kind).await? {}
        }
        anyhow::Ok(())
    };
    timeout(HANG, recovered).await??;
    Ok(())
}
