//! Before the first attack and after the last one: what a host holds at rest.

use std::{io::Write as _, time::Duration};

use http::Request;
use tokio::time::{interval, timeout};
use wasmbay_tests::{
    client::{HANG, finish, pieces},
    house::Plugin,
};

use crate::{
    scene::{EVERYWHERE, HTTP},
    stage::{Stage, left},
};

/// Requests of one tenant at once that the slots of a lane have room for: three quarters of what is not kept for calls.
const AT_ONCE: usize = 18;

/// Instances that a plugin of each lane keeps meanwhile, as calls would take them: with those at once they are all that it may have.
const KEPT: usize = 8;

/// Further plugins of each kind that speaks wasi:http: the engine keeps a hundred used slots of a lane for the modules that had them, and gives a module
/// that it does not know an untouched one until there are as many. So each of these is a component of its own.
const OF_EACH_KIND: usize = 4;

/// What every plugin of the warm-up may have.
const LIMITS: &str = "[limits]\nmemory = \"32MiB\"\ntimeout = \"1m\"\nqueue_timeout = \"1m\"\ncpu = \"20s\"\n";

/// Fills every slot with pages that were touched, and lets go.
pub(crate) async fn warm(stage: &Stage) {
    let kept: Vec<_> = (0..)
        .zip(&HTTP[..2])
        .map(|(n, (file, lane)): (usize, _)| {
            Plugin::new(&format!("kept{n}"), lane, file).with(LIMITS).with("[instances]\nmax_requests = 1000")
        })
        .collect();
    let fresh: Vec<_> = (0..)
        .zip(EVERYWHERE.into_iter().chain(HTTP.into_iter().cycle().take(HTTP.len() * OF_EACH_KIND)))
        .map(|(n, (file, lane)): (usize, _)| Plugin::new(&format!("warm{n}"), lane, file).with(LIMITS))
        .collect();
    let folders: Vec<_> = kept.iter().chain(&fresh).map(|plugin| plugin.folder().to_owned()).collect();
    for (n, plugin) in (0..).zip(kept.iter().chain(&fresh)) {
        plugin.write(&stage.folder()).expect("the plugin can be written");
        plugin.tell_apart(&stage.folder(), n).expect("the component can be changed");
    }
    stage.decided(&folders).await;
    for plugin in &kept {
        hold(stage, plugin.folder(), KEPT).await;
    }
    for plugin in &fresh {
        hold(stage, plugin.folder(), AT_ONCE).await;
    }
    for folder in &folders {
        std::fs::remove_dir_all(stage.folder().join(folder)).expect("it can be removed");
    }
    stage.gone(&folders).await;
    let rss = settled(stage, |_| true).await;
    stage.baseline.set(rss).expect("a host is warmed once");
}

/// So many instances of a plugin are there at once, each with its pages, before one of them goes.
async fn hold(stage: &Stage, plugin: &str, instances: usize) {
    let path = format!("/a/{plugin}/pages?mib=8&hold=1");
    let mut held = Vec::new();
    for _ in 0..instances {
        let (body, sent) = pieces();
        let mut connection = stage.connect().await;
        let head = connection.begin(Request::post(&path).body(sent).expect("a request")).await.expect("a head");
        assert!(head.status().as_u16() < 500, "{path}: {}", head.status());
        held.push((connection, body, head));
    }
    for (_connection, body, head) in held {
        drop(body);
        finish(head, false).await.expect("an end");
    }
}

/// Sees that a host holds no more than it did before its first attack.
pub(crate) async fn check(stage: &Stage) {
    stage.until("nothing is left", |page| left(page, true).is_empty()).await;
    let page = stage.page().await;
    assert_eq!(page.sum("wasmbay_panics_total", &[]), 0.0, "the host panicked");
    let baseline = *stage.baseline.get().expect("it was warmed");
    let most = baseline + baseline / 20;
    let now = settled(stage, |rss| rss <= most).await;
    let _ =
        writeln!(std::io::stderr(), "at rest: {} before the first attack, {} after the last", mib(baseline), mib(now));
    assert!(now <= most, "{} at rest before the first attack, {} after the last", mib(baseline), mib(now));
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The memory resident once it has stopped moving and is as wanted, or when that has taken too long.
async fn settled(stage: &Stage, wanted: impl Fn(u64) -> bool) -> u64 {
    let (mut looks, mut before, mut still) = (interval(Duration::from_millis(100)), 0, 0);
    let settling = async {
        loop {
            looks.tick().await;
            let now = stage.serving.rss().expect("the host lives");
            still = if now.abs_diff(before) < now / 200 { still + 1 } else { 0 };
            before = now;
            if still >= 5 && wanted(now) {
                return;
            }
        }
    };
    let _ = timeout(HANG, settling).await;
    stage.serving.rss().expect("the host lives")
}
