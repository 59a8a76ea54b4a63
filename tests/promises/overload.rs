//! Too much to do: the host gives way step by step, in an order that keeps it of use, and recovers by itself.

use std::path::PathBuf;

use tokio::task::JoinHandle;
use wasmbay::{
    config::{Caps, JobQuota, KeyQuota, OutboundQuota, Settings, SqlQuota, Supplies, Tenant, TenantPlace},
    host::Behind as _,
};
use wasmbay_tests::{
    client::{Answer, Connection, Protocol},
    house::{House, Plugin, settings},
};

/// Requests that may wait in the host: each is one percent.
const WAITING: u32 = 100;

/// A host of two tenants whose plugins do one thing at a time and let everybody wait.
async fn house() -> House {
    let tenant = |name: &str| {
        let place = TenantPlace::Prefix(format!("/{name}"));
        (
            name.to_owned(),
            Tenant {
                folder: PathBuf::from(name),
                place,
                weight: 1,
                caps: Caps::default(),
                supplies: Supplies::default(),
                kv: KeyQuota::default(),
                jobs: JobQuota::default(),
                sql: SqlQuota::default(),
                outbound: OutboundQuota::default(),
                databases: Default::default(),
            },
        )
    };
    let plugin = |tenant: &str, name: &str| {
        let limits = "[limits]\nmax_concurrent = 1\nqueue = 1000\nqueue_timeout = \"2m\"\ntimeout = \"2m\"";
        Plugin::new(name, "io", "http02.wasm").with(limits).of(tenant)
    };
    let settings = Settings { tenants: [tenant("acme"), tenant("zeta")].into(), max_waiting: WAITING, ..settings() };
    House::with(
        settings,
        &[plugin("acme", "busy"), plugin("acme", "free"), plugin("zeta", "busy"), plugin("zeta", "free")],
    )
    .await
}

/// Lets so many requests wait behind one that is held.
fn crowd(house: &House, tenant: &str, waiting: usize) -> Vec<JoinHandle<anyhow::Result<Answer>>> {
    (0..=waiting).map(|_| house.ask(&format!("/{tenant}/busy/wait?ms=100000"))).collect()
}

/// How many wait in the host.
fn waiting(house: &House) -> u64 {
    house.host.behind().waiting().0
}

async fn stands_on(house: &House, rung: u8) {
    let line = format!("wasmbay_overload {rung}\n");
    house.until(&line, |house| house.metrics().contains(&line)).await;
}

fn is_closed(answer: &Answer) -> bool {
    answer.headers.get("connection").is_some_and(|value| value == "close")
}

#[tokio::test(flavor = "multi_thread")]
async fn load_is_shed_step_by_step_and_the_operator_is_always_heard() -> anyhow::Result<()> {
    let house = house().await;
    // Somebody else is at work too: a tenant that is alone has no share to go beyond.
    let mut asked = crowd(&house, "zeta", 0);
    asked.extend(crowd(&house, "acme", 84));
    house.until("84 wait", |house| waiting(house) == 84).await;
    let answer = house.get("/zeta/free/hello").await;
    assert!(answer.status == 200 && !is_closed(&answer), "84 percent are no load: {answer:?}");

    // Connections are not kept, and everybody is served.
    asked.push(house.ask("/acme/busy/wait?ms=100000"));
    stands_on(&house, 1).await;
    for path in ["/acme/free/hello", "/zeta/free/hello"] {
        let answer = house.get(path).await;
        assert!(answer.status == 200 && is_closed(&answer), "{path}: {answer:?}");
    }

    // Whoever asks for more than his share is refused, the other is served.
    for _ in 85..92 {
        asked.push(house.ask("/acme/busy/wait?ms=100000"));
    }
    stands_on(&house, 2).await;
    let refused = house.get("/acme/free/hello").await;
    assert_eq!((refused.status.as_u16(), &refused.problem()["code"]), (503, &"queue-full".into()));
    assert!(refused.problem()["detail"].as_str().is_some_and(|detail| detail.contains("share")), "{refused:?}");
    assert_eq!(house.get("/zeta/free/hello").await.status, 200);

    // Everything is refused, with a hint when to come again; the operator's listener is as it was.
    asked.extend((92..95).map(|_| house.ask("/zeta/busy/wait?ms=100000")));
    stands_on(&house, 3).await;
    for path in ["/acme/free/hello", "/zeta/free/hello"] {
        let refused = house.get(path).await;
        assert_eq!((refused.status.as_u16(), &refused.problem()["code"]), (503, &"host-full".into()), "{path}");
        assert!(refused.headers.contains_key("retry-after") && is_closed(&refused), "{path}");
    }
    for path in ["/healthz", "/readyz", "/status", "/metrics"] {
        let answer = Connection::open(house.host.admin(), Protocol::Http1).await?.get(path).await?;
        assert!(answer.status == 200 && !is_closed(&answer), "{path}: {answer:?}");
    }

    // It recovers by itself once they have gone.
    asked.iter().for_each(JoinHandle::abort);
    stands_on(&house, 0).await;
    for path in ["/acme/free/hello", "/zeta/free/hello"] {
        let answer = house.get(path).await;
        assert!(answer.status == 200 && !is_closed(&answer), "{path}: {answer:?}");
    }
    for rung in ["close-idle", "shed", "refuse", "ground"] {
        assert!(house.metrics().contains(&format!("wasmbay_overload_steps_total{{rung=\"{rung}\"}} ")), "{rung}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_alone_is_never_over_its_share() {
    let house = house().await;
    let asked = crowd(&house, "acme", 93);
    stands_on(&house, 2).await;
    assert_eq!(house.get("/acme/free/hello").await.status, 200);
    asked.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_wait_than_may_even_when_they_come_at_once() {
    let plugin = Plugin::new("busy", "io", "http02.wasm")
        .with("[limits]\nmax_concurrent = 1\nqueue = 1000\nqueue_timeout = \"2m\"\ntimeout = \"2m\"");
    let house = House::with(Settings { max_waiting: 2, ..settings() }, &[plugin]).await;
    // All of them inside already: once the queue is full, nobody new is let in.
    let mut inside = Vec::new();
    for _ in 0..21 {
        let mut connection = house.connect().await;
        assert_eq!(connection.get("/nowhere").await.expect("an answer").status, 404);
        inside.push(connection);
    }
    let ask = |mut connection: Connection| tokio::spawn(async move { connection.get("/busy/wait?ms=100000").await });
    let holding = ask(inside.pop().expect("21 are inside"));
    house.until("one is held", |house| house.metric("wasmbay_in_flight", "busy") == 1.0).await;
    let asked: Vec<_> = inside.into_iter().map(ask).collect();
    house.until("18 are refused", |_| asked.iter().filter(|asked| asked.is_finished()).count() == 18).await;
    assert_eq!(waiting(&house), 2);
    for asked in asked {
        if asked.is_finished() {
            let answer = asked.await.expect("no panic").expect("an answer");
            assert_eq!(answer.status, 503, "{answer:?}");
        } else {
            asked.abort();
        }
    }
    holding.abort();
}
