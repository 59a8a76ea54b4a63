//! Tasks: what is measured, and what an interruption answers.

use std::future::ready;

use super::*;

#[test]
fn making_polling_and_dropping_the_work_is_measured() {
    let bench = Bench::new(1, 0);
    let drops = Arc::new(AtomicUsize::new(0));
    let guard = Teardown(Arc::clone(&drops), Duration::from_millis(2));
    let task = Task::new(who(0, 0), Lane::Io, PLENTY);
    let mut work = bench.lanes.run(Arc::clone(&task), async move {
        let _guard = guard;
        burn(Duration::from_millis(3));
        std::future::pending::<()>().await;
    });
    assert!(poll(&mut work, &Arc::default()).is_pending());
    assert!(task.cpu() >= Duration::from_millis(3));
    let between = task.cpu();
    burn(Duration::from_millis(5));
    assert_eq!(task.cpu(), between, "what goes on outside its polls is not its own");
    drop(work);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert!(task.cpu() >= between + Duration::from_millis(2));
    assert!(task.is_cancelled());
}

#[test]
fn the_current_poll_counts_for_the_work_itself() {
    let bench = Bench::new(1, 0);
    let mut work = bench.start(who(0, 0), Lane::Io, |guest| async move {
        burn(Duration::from_millis(1));
        guest.task.cpu()
    });
    let Poll::Ready(Ok(seen)) = poll(&mut work, &Arc::default()) else { panic!("it does not wait") };
    assert!(seen >= Duration::from_millis(1));
}

#[test]
fn work_polled_inside_other_work_is_charged_to_itself_alone() {
    let bench = Bench::new(1, 0);
    let inner = Task::new(who(0, 1), Lane::Io, PLENTY);
    let mut inside = bench.lanes.run(Arc::clone(&inner), async { burn(Duration::from_millis(20)) });
    let outer = Task::new(who(0, 0), Lane::Io, PLENTY);
    let mut work = bench.lanes.run(Arc::clone(&outer), async move {
        burn(Duration::from_millis(1));
        poll(&mut inside, &Arc::default()).is_ready()
    });
    assert_eq!(poll(&mut work, &Arc::default()), Poll::Ready(Ok(true)));
    assert!(inner.cpu() >= Duration::from_millis(20));
    assert!(outer.cpu() >= Duration::from_millis(1) && outer.cpu() < inner.cpu());
}

#[test]
fn past_the_budget_the_next_tick_ends_it_in_either_lane() {
    let bench = Bench::new(1, 1);
    for lane in [Lane::Io, Lane::Compute] {
        let task = Task::new(who(0, 0), lane, Duration::from_millis(2));
        let guest = Guest { task: Arc::clone(&task), ticks: Arc::clone(&bench.ticks) };
        let work = bench.lanes.run(task, async move {
            guest.tick(1).await?;
            burn(Duration::from_millis(2));
            guest.interrupted().await?;
            guest.tick(1).await
        });
        assert_eq!(block_on(work), Ok(Err(End::CpuExhausted)), "{lane:?}");
    }
}

#[test]
fn the_budget_can_be_changed_and_what_is_left_split_off() {
    let bench = Bench::new(1, 0);
    let task = Task::new(who(3, 1), Lane::Io, Duration::from_millis(10));
    let burned = bench.lanes.run(Arc::clone(&task), async { burn(Duration::from_millis(4)) });
    assert_eq!(block_on(burned), Ok(()));
    let rest = task.split();
    assert_eq!((rest.who(), rest.lane(), rest.cpu()), (task.who(), Lane::Io, Duration::ZERO));
    assert_eq!(rest.budget(), task.left());
    assert!(rest.budget() <= Duration::from_millis(6));
    task.rebudget(Duration::from_millis(1));
    assert_eq!(task.left(), Duration::ZERO);
}

#[test]
fn without_lanes_or_ticks_work_goes_on() {
    let task = Task::new(who(0, 0), Lane::Io, Duration::ZERO);
    assert!(matches!(task.interrupted(), Verdict::Continue), "it has not been run");
    let bench = Bench::new(1, 0);
    let mut work = bench.start(who(0, 0), Lane::Io, |guest| async move {
        std::future::pending::<()>().await;
        guest.interrupted().await
    });
    bench.ticks.tick();
    assert!(poll(&mut work, &Arc::default()).is_pending());
}

#[test]
fn a_deadline_that_passed_while_the_work_waited_is_no_tick() {
    let bench = Bench::new(1, 0);
    let (open, mut gate) = tokio::sync::oneshot::channel::<()>();
    let mut work = bench.start(who(0, 0), Lane::Io, |guest| async move {
        let waited = Pin::new(&mut gate).await;
        waited.expect("the test opens it");
        guest.interrupted().await
    });
    assert!(poll(&mut work, &Arc::default()).is_pending());
    for _ in 0..7 {
        bench.ticks.tick();
    }
    open.send(()).expect("the work waits");
    assert_eq!(poll(&mut work, &Arc::default()), Poll::Ready(Ok(Ok(false))));
}

#[test]
#[should_panic(expected = "a task is run once")]
fn a_task_runs_once() {
    let bench = Bench::new(1, 0);
    let task = Task::new(who(0, 0), Lane::Io, PLENTY);
    let _first = bench.lanes.run(Arc::clone(&task), ready(()));
    let _second = bench.lanes.run(task, ready(()));
}

#[test]
fn a_panic_ends_its_work_alone() {
    let bench = Bench::new(1, 1);
    for lane in [Lane::Io, Lane::Compute] {
        let work = bench.start(who(0, 0), lane, |_| async { panic!("oops") });
        let failed: Result<(), _> = block_on(work);
        assert_eq!(failed, Err(super::super::Panicked("oops".to_owned())));
        let next = bench.start(who(0, 0), lane, |_| ready(7));
        assert_eq!(block_on(next), Ok(7));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts").block_on(future)
}
