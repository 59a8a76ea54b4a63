//! Jobs against what they promise: on the disk once answered, once by their keys, in turn, in time.

use std::{
    collections::{HashMap, HashSet},
    fs,
    time::Duration,
};

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::config::JobQuota;

const DAY: Duration = Duration::from_hours(24);

fn open(folder: &TempDir) -> Jobs {
    Jobs::new(folder.path(), Keeping(DAY))
}

fn job(tenant: &str, path: &str) -> NewJob {
    NewJob {
        tenant: tenant.to_owned(),
        by: "p".to_owned(),
        plugin: "p".to_owned(),
        key: None,
        path: path.to_owned(),
        headers: vec![("a".to_owned(), b"1\xff".to_vec())],
        body: Bytes::from_static(b"body"),
        delay: Duration::ZERO,
        patience: DAY,
        attempts: 2,
        priority: 0,
    }
}

fn room(free: u32, tenants: &[&str]) -> Room {
    let plugins = tenants.iter().map(|tenant| (((*tenant).to_owned(), "p".to_owned()), 100)).collect();
    Room { free, plugins, shared: tenants.len() > 1, ..Room::default() }
}

async fn enqueue(jobs: &Jobs, job: NewJob) -> Enqueued {
    jobs.enqueue(job, JobQuota::default()).await.expect("a good file").expect("room")
}

async fn claim(jobs: &Jobs, room: Room) -> Vec<Claimed> {
    jobs.claim(room).await.expect("a good file").jobs
}

async fn state(jobs: &Jobs, id: &str) -> State {
    jobs.show(id).await.expect("a good file").expect("it is there").line.state
}

fn paths(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|job| job.path.as_str()).collect()
}

/// What a host leaves behind that is killed: the file as it is, no lock.
fn killed(folder: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
        fs::copy(file.path(), copy.path().join(file.file_name())).expect("a copy");
    }
    copy
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill_and_what_ran_runs_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let (one, two) = (enqueue(&jobs, job("t", "/one")).await, enqueue(&jobs, job("t", "/two")).await);
    let first = claim(&jobs, room(1, &["t"])).await;
    assert_eq!((paths(&first), first[0].attempt, &*first[0].body), (vec!["/one"], 1, &b"body"[..]));
    assert_eq!(first[0].headers, [("a".to_owned(), b"1\xff".to_vec())]);
    let folder = killed(&folder);
    let jobs = open(&folder);
    assert_eq!((state(&jobs, &one.id).await, state(&jobs, &two.id).await), (State::Ready, State::Ready));
    let again = claim(&jobs, room(9, &["t"])).await;
    assert_eq!((paths(&again), again[0].attempt), (vec!["/one", "/two"], 1), "a kill is no attempt");
    for job in &again {
        assert_eq!(jobs.settle(job.lease, Ended::Done).await, Ok(Some(State::Done)));
    }
    let folder = killed(&folder);
    let jobs = open(&folder);
    assert!(claim(&jobs, room(9, &["t"])).await.is_empty());
    assert_eq!(jobs.show(&one.id).await.map(|shown| shown.map(|shown| shown.body)), Ok(Some(Vec::new())));
}

#[tokio::test]
async fn a_job_during_which_the_host_always_dies_is_parked() {
    let mut folder = tempfile::tempdir().expect("a folder");
    let mut jobs = open(&folder);
    let poison = enqueue(&jobs, job("t", "/poison")).await;
    for _ in 0..20 {
        // While the host before still has the file: one that ends puts it in order first.
        folder = killed(&folder);
        jobs = open(&folder);
        assert_eq!(claim(&jobs, room(1, &["t"])).await.len(), 1);
    }
    folder = killed(&folder);
    jobs = open(&folder);
    assert!(claim(&jobs, room(1, &["t"])).await.is_empty());
    let shown = jobs.show(&poison.id).await.expect("a good file").expect("it is there");
    assert_eq!(shown.line.why.as_deref(), Some("the host ended 20 times while the job ran"));
    assert_eq!(jobs.requeue(&poison.id).await, Ok(Ok(())));
    assert_eq!(claim(&jobs, room(1, &["t"])).await.len(), 1);
}

#[tokio::test]
async fn a_key_is_one_job_for_each_pair_of_plugins() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let keyed = |by: &str, plugin: &str, path: &str| NewJob {
        key: Some("k".to_owned()),
        by: by.to_owned(),
        plugin: plugin.to_owned(),
        ..job("t", path)
    };
    let first = enqueue(&jobs, keyed("p", "p", "/a")).await;
    let again = enqueue(&jobs, NewJob { headers: Vec::new(), ..keyed("p", "p", "/a") }).await;
    assert_eq!((first.is_known, again.is_known, &again.id), (false, true, &first.id));
    let mut ids = HashSet::from([first.id.clone()]);
    for other in
        [keyed("q", "p", "/a"), keyed("p", "q", "/a"), NewJob { tenant: "u".to_owned(), ..keyed("p", "p", "/a") }]
    {
        assert!(ids.insert(enqueue(&jobs, other).await.id));
    }
    let refused = jobs.enqueue(keyed("p", "p", "/b"), JobQuota::default()).await;
    assert_eq!(refused, Ok(Err(Refusal::Key(first.id.clone()))), "another request");
    // Also when it is over, for as long as it is remembered.
    let claimed = claim(&jobs, room(1, &["t"])).await;
    jobs.settle(claimed[0].lease, Ended::Done).await.expect("a good file");
    let last = enqueue(&jobs, keyed("p", "p", "/a")).await;
    assert_eq!((last.is_known, last.state), (true, State::Done));
}

#[tokio::test]
async fn quotas_count_what_is_not_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let size = |job: &NewJob| (job.path.len() + 3 + job.body.len()) as u64;
    let quota = JobQuota { count: 2, bytes: 2 * size(&job("t", "/1")), body: 100 };
    let ask = async |job: NewJob| jobs.enqueue(job, quota).await.expect("a good file").map(|taken| taken.id);
    let first = ask(job("t", "/1")).await.expect("room");
    let large = NewJob { body: Bytes::from_static(b"bodies"), ..job("t", "/1") };
    assert_eq!(ask(large).await, Err(Refusal::Bytes(quota.bytes)));
    ask(job("t", "/2")).await.expect("room");
    assert_eq!(ask(job("t", "/3")).await, Err(Refusal::Count(2, 0)));
    ask(job("u", "/1")).await.expect("another tenant has room of its own");
    let claimed = claim(&jobs, room(1, &["t"])).await;
    jobs.settle(claimed[0].lease, Ended::Hopeless("no".to_owned())).await.expect("a good file");
    assert_eq!(ask(job("t", "/3")).await, Err(Refusal::Count(2, 1)), "the dead count");
    assert_eq!(jobs.cancel(&first).await, Ok(Ok(false)));
    ask(job("t", "/3")).await.expect("room again");
}

#[tokio::test]
async fn tenants_take_turns_and_leave_room_for_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    for n in 0..20 {
        enqueue(&jobs, job("greedy", &format!("/{n}"))).await;
    }
    enqueue(&jobs, job("modest", "/m")).await;
    let mut turn = room(8, &["greedy", "modest"]);
    let claims = jobs.claim(turn.clone()).await.expect("a good file");
    assert_eq!(paths(&claims.jobs), ["/0", "/m", "/1", "/2", "/3"], "half of what is left, and no more");
    // Whoever comes next finds room.
    turn = Room { free: 3, held: [("greedy".to_owned(), 4)].into(), after: claims.last, ..turn };
    assert!(claim(&jobs, turn.clone()).await.is_empty());
    enqueue(&jobs, job("modest", "/n")).await;
    assert_eq!(paths(&claim(&jobs, turn).await), ["/n"]);
    // Alone it has it all.
    assert_eq!(claim(&jobs, room(8, &["greedy"])).await.len(), 8);
}

#[tokio::test]
async fn a_tenants_jobs_run_by_priority_then_in_order_and_only_where_a_plugin_has_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    enqueue(&jobs, job("t", "/low")).await;
    enqueue(&jobs, NewJob { priority: 9, ..job("t", "/high") }).await;
    enqueue(&jobs, NewJob { plugin: "full".to_owned(), ..job("t", "/full") }).await;
    enqueue(&jobs, NewJob { plugin: "gone".to_owned(), priority: 9, ..job("t", "/gone") }).await;
    enqueue(&jobs, NewJob { delay: DAY, priority: 9, ..job("t", "/later") }).await;
    let mut room = room(9, &["t"]);
    room.plugins.insert(("t".to_owned(), "full".to_owned()), 0);
    let claims = jobs.claim(room).await.expect("a good file");
    assert_eq!(paths(&claims.jobs), ["/high", "/low"]);
    assert!(claims.next.is_some_and(|next| next > DAY / 2), "{:?}", claims.next);
}

#[tokio::test]
async fn attempts_and_deadlines_end_in_death_and_what_was_not_begun_is_no_attempt() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let id = enqueue(&jobs, job("t", "/x")).await.id;
    let now = Duration::ZERO;
    let no = || "no".to_owned();
    for (ended, state, attempt) in [
        (Ended::Failed(no(), now), State::Waiting, 1),
        (Ended::Unbegun(no(), now), State::Waiting, 1),
        (Ended::CutShort, State::Ready, 1),
        (Ended::Failed(no(), now), State::Dead, 2),
    ] {
        let claimed = claim(&jobs, room(1, &["t"])).await;
        assert_eq!(jobs.settle(claimed[0].lease, ended).await, Ok(Some(state)));
        let line = jobs.show(&id).await.expect("a good file").expect("it is there").line;
        assert_eq!((line.state, line.attempt), (state, attempt));
    }
    let patience = NewJob { patience: DAY, attempts: 9, ..job("t", "/patient") };
    let patient = enqueue(&jobs, patience).await.id;
    let claimed = claim(&jobs, room(1, &["t"])).await;
    assert_eq!(
        jobs.settle(claimed[0].lease, Ended::Failed(no(), 2 * DAY)).await,
        Ok(Some(State::Dead)),
        "too late then"
    );
    assert_eq!(state(&jobs, &patient).await, State::Dead);
    let short = NewJob { patience: Duration::from_millis(1), attempts: 9, ..job("t", "/short") };
    let short = enqueue(&jobs, NewJob { delay: Duration::from_millis(1), ..short.clone() }).await.id;
    let until_dead = async {
        while state(&jobs, &short).await != State::Dead {
            tokio::time::sleep(Duration::from_millis(1)).await;
            claim(&jobs, room(1, &[])).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), until_dead).await.expect("its deadline comes");
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_runs_is_not_settled() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let id = enqueue(&jobs, job("t", "/x")).await.id;
    let claimed = claim(&jobs, room(1, &["t"])).await;
    assert_eq!(jobs.cancel(&id).await, Ok(Ok(true)));
    assert_eq!(jobs.settle(claimed[0].lease, Ended::Failed("no".to_owned(), Duration::ZERO)).await, Ok(None));
    assert_eq!(state(&jobs, &id).await, State::Cancelled);
    assert!(matches!(jobs.cancel(&id).await, Ok(Err(Unfit::State(..)))));
    assert!(matches!(jobs.requeue("none").await, Ok(Err(Unfit::Unknown(_)))));
}

#[tokio::test]
async fn many_that_are_due_in_one_moment_keep_nobody_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    for n in 0..1200 {
        let patience = if n < 600 { Duration::from_millis(1) } else { DAY };
        enqueue(&jobs, NewJob { delay: DAY, patience, ..job("t", &format!("/{n}")) }).await;
    }
    jobs.close().await;
    let file = Connection::open(folder.path().join(FILE)).expect("a file");
    file.execute("UPDATE job SET due = due - ?1, deadline = deadline - ?1", [25 * 3_600_000]).expect("a change");
    drop(file);
    let jobs = open(&folder);
    let counted = async || -> HashMap<State, u64> {
        jobs.tallies().await.expect("a good file").into_iter().map(|tally| (tally.state, tally.jobs)).collect()
    };
    let first = jobs.claim(room(0, &["t"])).await.expect("a good file");
    let moved = counted().await;
    assert!(moved[&State::Waiting] >= 200, "a part at a time: {moved:?}");
    assert_eq!(first.next, Some(Duration::ZERO), "the rest is due now");
    for _ in 0..4 {
        jobs.claim(room(0, &["t"])).await.expect("a good file");
    }
    assert_eq!(counted().await, HashMap::from([(State::Ready, 600), (State::Dead, 600)]));
}

#[tokio::test]
async fn what_is_over_is_remembered_by_little_and_found_by_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let long = format!("/{}", "x".repeat(8000));
    let (done, called_off) = (enqueue(&jobs, job("t", &long)).await.id, enqueue(&jobs, job("t", &long)).await.id);
    let path = async |id: &str| jobs.find(id, "t", "p").await.expect("a good file").expect("it is there").path;
    assert_eq!(path(&done).await, long);
    for (tenant, by) in [("u", "p"), ("t", "q")] {
        assert_eq!(jobs.find(&done, tenant, by).await, Ok(None));
    }
    let claimed = claim(&jobs, room(1, &["t"])).await;
    assert_eq!(claimed[0].path, long);
    jobs.settle(claimed[0].lease, Ended::Done).await.expect("a good file");
    assert_eq!(jobs.cancel(&called_off).await, Ok(Ok(false)));
    for id in [done, called_off] {
        assert_eq!(path(&id).await, long[..512]);
    }
}

#[tokio::test]
async fn lists_are_by_state_and_by_pages_the_newest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    for n in 0..150 {
        enqueue(&jobs, NewJob { delay: if n % 2 == 0 { DAY } else { Duration::ZERO }, ..job("t", &format!("/{n}")) })
            .await;
    }
    let first = jobs.list(Filter::default()).await.expect("a good file");
    assert_eq!((first.len(), first[0].path.as_str()), (100, "/149"));
    let after = first.last().map(|line| line.id.clone());
    assert_eq!(jobs.list(Filter { after, ..Filter::default() }).await.expect("a good file").len(), 50);
    let waiting = jobs.list(Filter { state: Some(State::Waiting), ..Filter::default() }).await.expect("a good file");
    assert_eq!((waiting.len(), waiting[0].path.as_str()), (75, "/148"));
    let none = Filter { tenant: Some("u".to_owned()), ..Filter::default() };
    assert_eq!(jobs.list(none).await, Ok(Vec::new()));
    let tallies = jobs.tallies().await.expect("a good file");
    let counted: Vec<_> = tallies.iter().map(|tally| (tally.state, tally.jobs)).collect();
    assert_eq!(counted, [(State::Waiting, 75), (State::Ready, 75)]);
}

#[tokio::test]
async fn a_tick_is_one_job_and_one_that_has_not_begun_stands_for_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let plan = Plan {
        tenant: "t".to_owned(),
        plugin: "p".to_owned(),
        name: "* * * * * /tick".to_owned(),
        path: "/tick".to_owned(),
        patience: DAY,
        attempts: 1,
    };
    let begun = jobs.schedules("t", "p", vec![plan.name.clone()]).await.expect("a good file")[0];
    assert_eq!(jobs.tick(plan.clone(), begun).await, Ok(false), "a schedule begins when it is first seen");
    assert_eq!(jobs.tick(plan.clone(), begun + 1).await, Ok(true));
    assert_eq!(jobs.tick(plan.clone(), begun + 1).await, Ok(false));
    assert_eq!(jobs.tick(plan.clone(), begun + 2).await, Ok(false), "the run of the first has not begun");
    let claimed = claim(&jobs, room(9, &["t"])).await;
    assert_eq!((paths(&claimed), claimed[0].tick, &claimed[0].key), (vec!["/tick"], Some(begun + 1), &None));
    assert_eq!(jobs.tick(plan.clone(), begun + 3).await, Ok(true), "it runs, so the next one is its own");
    let folder = killed(&folder);
    let jobs = open(&folder);
    assert_eq!(jobs.schedules("t", "p", vec![plan.name.clone()]).await, Ok(vec![begun + 3]));
    assert_eq!(jobs.schedules("t", "p", Vec::new()).await, Ok(Vec::new()));
    let anew = jobs.schedules("t", "p", vec![plan.name]).await.expect("a good file")[0];
    assert!(anew < begun + 3 + 60_000 && anew >= begun, "forgotten, and begun again");
}

#[tokio::test]
async fn d_09_times_go_along_when_the_clock_was_put_back_while_no_host_ran() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let soon = enqueue(&jobs, NewJob { delay: Duration::from_millis(1), ..job("t", "/soon") }).await.id;
    jobs.schedules("t", "p", vec!["s".to_owned()]).await.expect("a good file");
    let begun = jobs.now().await.expect("a good file");
    jobs.close().await;
    // As it is after a year's work under a clock that was a year ahead.
    let year = 365 * 24 * 3_600_000_i64;
    let file = Connection::open(folder.path().join(FILE)).expect("a file");
    let ahead = format!(
        "UPDATE job SET due = due + {year}, deadline = deadline + {year}; UPDATE schedule SET last = last + {year};
         UPDATE clock SET last = last + {year};"
    );
    file.execute_batch(&ahead).expect("a change");
    drop(file);
    let jobs = open(&folder);
    let due = async {
        while claim(&jobs, room(1, &["t"])).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), due).await.expect("it is due");
    assert_eq!(state(&jobs, &soon).await, State::Running);
    let last = jobs.schedules("t", "p", vec!["s".to_owned()]).await.expect("a good file")[0];
    assert!((last - begun).abs() < 60_000, "{last} is not near {begun}");
}

#[tokio::test]
async fn d_12_a_second_host_waits_until_the_first_lets_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (open(&folder), open(&folder));
    enqueue(&first, job("t", "/x")).await;
    let refused = second.enqueue(job("t", "/y"), JobQuota::default()).await.expect_err("the file is the first's");
    assert!(refused.to_string().contains("locked"), "{refused}");
    first.close().await;
    assert!(first.now().await.is_err());
    assert_eq!(paths(&claim(&second, room(9, &["t"])).await), ["/x"]);
}

#[tokio::test]
async fn a_file_of_a_later_version_or_of_something_else_is_refused_and_left() {
    for text in [&b"PRAGMA user_version = 9"[..], b"no database"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        match text.starts_with(b"PRAGMA") {
            true => drop(Connection::open(&path).expect("a file").execute_batch("PRAGMA user_version = 9")),
            false => fs::write(&path, [text, &[b'x'; 4096]].concat()).expect("a file"),
        }
        let before = fs::read(&path).expect("a file");
        assert!(open(&folder).now().await.is_err());
        if !text.starts_with(b"PRAGMA") {
            assert_eq!(fs::read(&path).expect("a file"), before);
        }
    }
}

#[tokio::test]
async fn many_at_once_are_all_there_and_all_run_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = open(&folder);
    let all = (0..300).map(|n| enqueue(&jobs, job("t", &format!("/{n}"))));
    let ids: HashSet<_> = futures_util::future::join_all(all).await.into_iter().map(|taken| taken.id).collect();
    let mut ran = HashSet::new();
    while ran.len() < ids.len() {
        let claimed = claim(&jobs, room(64, &["t"])).await;
        assert!(!claimed.is_empty());
        for job in claimed {
            jobs.settle(job.lease, Ended::Done).await.expect("a good file");
            assert!(ran.insert(job.id), "twice");
        }
    }
    assert_eq!(ran, ids);
}

#[tokio::test]
async fn d_03_what_was_answered_survives_a_power_cut_wherever_it_falls() {
    let folder = tempfile::tempdir().expect("a folder");
    let (jobs, wal) = (open(&folder), folder.path().join(format!("{FILE}-wal")));
    // How long the log was when each job was answered: so much of it was flushed.
    let mut flushed = Vec::new();
    for n in 0..24 {
        enqueue(&jobs, job("t", &format!("/{n}"))).await;
        flushed.push(fs::metadata(&wal).expect("a log").len());
    }
    let whole = fs::read(&wal).expect("a log");
    // At the end of what was flushed, just before it, and in the middle of what was not.
    let ends = flushed.iter().flat_map(|end| [*end, end - 1, end + 2000]);
    for cut in ends.chain([0, 31, 33]).filter(|cut| *cut <= whole.len() as u64) {
        let after = tempfile::tempdir().expect("a folder");
        fs::copy(folder.path().join(FILE), after.path().join(FILE)).expect("a copy");
        fs::write(after.path().join(format!("{FILE}-wal")), &whole[..cut as usize]).expect("a log");
        let jobs = open(&after);
        let there = jobs.list(Filter::default()).await.expect("it opens").len();
        let answered = flushed.iter().filter(|end| **end <= cut).count();
        assert!((answered..=answered + 1).contains(&there), "{there} of {answered} at {cut}");
        jobs.close().await;
        let file = Connection::open(after.path().join(FILE)).expect("a file");
        let verdict: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
        assert_eq!(verdict, "ok");
    }
}
