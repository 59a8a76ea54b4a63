//! What each attack by a client makes the host hold and burn, against what the attack itself spends.

use std::time::{Duration, Instant};

use wasmbay_attacks::{ATTACKS, Attack, Mark, spent};

use crate::{
    clock,
    figure::{Figure, Spec, at_most},
    http::fetch,
    report::Section,
    scenario::Case,
    stand::{Bench, Host, Plugin, Served},
};

/// Envoy's line: what costs the host less than this many times what it costs the client is brute force.
const LINE: f64 = 100.0;

/// Guests at work at once. What they hold is theirs by their manifest, so it is held before the attack begins.
const GUESTS: usize = 64;

/// How often they are all at work: by then every instance slot they may have was used, and holds what idle slots hold.
const WAVES: usize = 4;

/// How long the host is left alone, to see what it burns by itself.
const IDLE: Duration = Duration::from_secs(2);

/// Between two looks at the host's memory.
const LOOK: Duration = Duration::from_millis(20);

const HELD: Spec = at_most("held / sent", "×", LINE);
const BURNED: Spec = at_most("CPU of the host / of the client", "×", LINE);

/// Runs every attack once, each against a host of its own: what the one before left behind would hide what this one takes.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let mut section = Section::new(case.0, case.1, &[], Vec::new());
    section.notes.push(
        "| row | attack | times | sent, KiB | held, KiB | held / sent | client CPU, s | host CPU, s | host / client | took, s |".to_owned(),
    );
    section.notes.push("|---|---|---|---|---|---|---|---|---|---|".to_owned());
    let idle = idle(bench).await?;
    for attack in ATTACKS {
        bench.progress.say(&format!("{} {}", attack.row, attack.what));
        let times = if bench.scale.is_quick() { attack.times.div_ceil(50) } else { attack.times };
        let host = start(bench).await?;
        let cost = measure(&host, attack, times, idle).await?;
        cost.tell(&mut section, attack, times);
        host.stop().await;
    }
    section.notes.push(String::new());
    section.notes.push(format!(
        "Sent: payload, and 40 bytes for each segment it takes at the least, acknowledgements of what was read included. Held: the most memory resident during the \
         attack, above what {GUESTS} guests at work hold once the attack was tried a single time. The host's CPU time is \
         without what it burns when idle; below 10 ms no CPU time can be told from none."
    ));
    Ok(section)
}

async fn start(bench: &Bench) -> anyhow::Result<Host> {
    let limits = format!(
        "timeout = \"2m\"\nstream_idle = \"2m\"\nmax_concurrent = {GUESTS}\nqueue = 64\nqueue_timeout = \"1s\""
    );
    let plugin = Plugin::io("p0", bench.places.guest("http02"))
        .route("/p0/{*rest}")
        .limits(&limits)
        .more("[[static]]\npath = \"/p0/static\"\ndir = \"site\"\n")
        .with_file("site/large.bin", noise(8 << 20));
    Host::start(&bench.places.host, Served::new()?.tenant("a", "").plugin("a", &plugin)?).await
}

/// So many bytes that no coding makes fewer.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// CPU seconds that the host burns in a second by itself.
async fn idle(bench: &Bench) -> anyhow::Result<f64> {
    let host = start(bench).await?;
    let before = host.process_cpu()?;
    tokio::time::sleep(IDLE).await;
    let burned = host.process_cpu()? - before;
    host.stop().await;
    Ok(burned / IDLE.as_secs_f64())
}

struct Cost {
    sent: f64,
    held: f64,
    client: f64,
    host: f64,
    took: f64,
}

/// The kernel's tick: finer than this it does not tell a process's CPU time.
const TICK: f64 = 0.01;

impl Cost {
    fn tell(&self, section: &mut Section, attack: &Attack, times: u32) {
        let (held, burned) = (self.held / self.sent, self.host.max(TICK) / self.client.max(TICK));
        section.notes.push(format!(
            "| {} | {} | {times} | {:.1} | {:.0} | {held:.2} | {:.2} | {:.2} | {burned:.2} | {:.1} |",
            attack.row,
            attack.what,
            self.sent / 1024.0,
            self.held / 1024.0,
            self.client,
            self.host,
            self.took,
        ));
        // A handful, and the process ends with them.
        let name = |spec: Spec| Spec { name: format!("{} {}: {}", attack.row, attack.what, spec.name).leak(), ..spec };
        section.figures.push(Figure::new(name(HELD), Some(held)));
        section.figures.push(Figure::new(name(BURNED), Some(burned)));
    }
}

async fn measure(host: &Host, attack: &Attack, times: u32, idle: f64) -> anyhow::Result<Cost> {
    let mark = Mark { addr: host.listen, plugin: "/a/p0" };
    // Code that runs for the first time is read in, and is no attack's.
    attack.run(mark, 1).await?;
    let mut before = 0.0;
    for _ in 0..WAVES {
        before = guests_at_work(host).await?;
    }
    let (sent, client, burned, begun) = (spent(), clock::process_cpu(), host.process_cpu()?, Instant::now());
    let mut most = 0.0_f64;
    let attacking = attack.run(mark, times);
    tokio::pin!(attacking);
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            done = &mut attacking => break done?,
            _ = looks.tick() => most = most.max(host.rss_mib()?),
        }
    }
    most = most.max(host.rss_mib()?);
    let took = begun.elapsed().as_secs_f64();
    Ok(Cost {
        sent: spent().since(sent).on_the_wire() as f64,
        held: ((most - before) * f64::from(1 << 20)).max(0.0),
        client: (clock::process_cpu() - client).as_secs_f64(),
        host: (host.process_cpu()? - burned - idle * took).max(0.0),
        took,
    })
}

/// The memory resident while as many guests as may at once have room of their own and wait.
async fn guests_at_work(host: &Host) -> anyhow::Result<f64> {
    let asked: Vec<_> = (0..GUESTS)
        .map(|_| {
            let addr = host.listen;
            tokio::spawn(async move { fetch(addr, "/a/p0/big?mib=0&ms=2000", Duration::from_secs(30)).await })
        })
        .collect();
    let mut most = 0.0_f64;
    let mut looks = tokio::time::interval(LOOK);
    while !asked.iter().all(tokio::task::JoinHandle::is_finished) {
        looks.tick().await;
        most = most.max(host.rss_mib()?);
    }
    for answer in asked {
        let (status, _) = answer.await??;
        anyhow::ensure!(status == 200, "a guest at work answered {status}");
    }
    Ok(most)
}
