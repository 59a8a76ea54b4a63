//! Waiting, with paused time: who is told what, when, and that nothing is lost on the way.

use std::{future::Future, pin::pin, task::Poll};

use futures_util::{FutureExt, future::join_all, poll};
use tokio::time::Instant;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Admitted without waiting.
fn now(entering: impl Future<Output = Result<Admitted, Refused>>) -> Permit {
    entering.now_or_never().expect("it does not wait").expect("it is admitted").permit
}

/// What nobody holds anything of.
fn assert_idle(gates: &Gates) {
    assert_eq!(gates.host(), HostLoad { in_flight: 0, waiting: 0, io_slots: 0, compute_slots: 0 });
    assert_eq!(gates.plugins(), []);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_which_gate_held_it() {
    let full = Duration::from_millis(700);
    for held in [Gate::Plugin, Gate::Tenant, Gate::Host, Gate::Slots] {
        let max = |gate| if gate == held { 1 } else { 2 };
        let gates = Gates::new(max(Gate::Host), slots(max(Gate::Slots), 1), slots(1, 1));
        let claim = Claim {
            plugin_max: max(Gate::Plugin),
            tenant_max: max(Gate::Tenant),
            queue_timeout: full,
            ..claim(who(0, 0))
        };
        let first = now(gates.enter(claim));
        let began = Instant::now();
        let refused = gates.enter(claim).await.expect_err("there is one permit");
        assert_eq!(refused, Refused { gate: held, refusal: Refusal::Timeout, waited: full });
        assert_eq!(began.elapsed(), full);
        let refused = gates.enter(Claim { queue: 0, ..claim }).await.expect_err("nobody may wait");
        assert_eq!(refused, Refused { gate: held, refusal: Refusal::Full, waited: Duration::ZERO });
        drop(first);
        assert_idle(&gates);
    }
}

#[tokio::test(start_paused = true)]
async fn while_load_is_shed_each_tenant_has_its_share_by_weight() {
    let gates = Gates::new(100, slots(100, 1), slots(1, 1));
    let of = |tenant, tenant_weight| Claim { tenant_weight, ..claim(who(tenant, 0)) };
    let (heavy, light) = (of(0, 3), of(1, 1));
    let share = |claim| match gates.enter(claim).now_or_never().expect("nobody waits") {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!((refused.gate, refused.refusal), (Gate::Share, Refusal::Full));
            false
        }
    };
    let mut held: Vec<_> = (0..5).map(|_| now(gates.enter(heavy))).collect();
    gates.shed(true);
    assert!(share(heavy), "alone it is never over its share");
    gates.shed(false);
    held.extend((0..2).map(|_| now(gates.enter(light))));
    gates.shed(true);
    // 5 and 2: of 7 the light one's share is 1.75.
    assert!(!share(light) && share(heavy));
    held.push(now(gates.enter(heavy)));
    // 6 and 2: each has just its share.
    assert!(share(light) && share(heavy));
    held.push(now(gates.enter(heavy)));
    // 7 and 2: of 9 the heavy one's share is 6.75.
    assert!(share(light) && !share(heavy));
    gates.shed(false);
    assert!(share(light) && share(heavy));
    // What waits counts as what runs: 3 of 12 with one of five parts.
    let queued = Claim { plugin_max: 1, ..of(2, 1) };
    held.push(now(gates.enter(queued)));
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(gates.enter(queued))).collect();
    for one in &mut waiting {
        assert!(poll!(one).is_pending());
    }
    gates.shed(true);
    assert!(!share(queued) && share(light));
    drop((waiting, held));
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn so_many_wait_in_the_host_and_no_more() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    gates.limit_waiting(2);
    let claims = [claim(who(0, 0)), claim(who(1, 0)), claim(who(2, 0))];
    let held = now(gates.enter(claims[0]));
    let mut first = Box::pin(gates.enter(claims[0]));
    let mut second = Box::pin(gates.enter(claims[1]));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let refused = gates.enter(claims[2]).await.expect_err("two wait already");
    assert_eq!((refused.gate, refused.refusal), (Gate::Waiting, Refusal::Full));
    // Whoever leaves or is let in makes room.
    drop(second);
    let mut third = Box::pin(gates.enter(claims[2]));
    assert!(poll!(&mut third).is_pending());
    drop(held);
    let held = first.await.expect("it is let in");
    assert_eq!(gates.host().waiting, 1);
    drop((held, third));
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_measured_and_ends_with_the_release() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let claim = claim(who(0, 0));
    let first = now(gates.enter(claim));
    let release = async {
        tokio::time::sleep(30 * MS).await;
        drop(first);
    };
    let (second, ()) = tokio::join!(gates.enter(claim), release);
    assert_eq!(second.expect("it was let in").waited, 30 * MS);
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn dropping_who_waits_leaves_no_trace() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let claim = claim(who(0, 0));
    let first = now(gates.enter(claim));
    {
        let mut waits = pin!(gates.enter(claim));
        assert!(poll!(&mut waits).is_pending());
        assert_eq!(gates.plugin(claim.who.plugin).map(|load| load.waiting), Some(1));
    }
    assert_eq!(gates.plugin(claim.who.plugin).map(|load| load.waiting), Some(0));
    drop(first);
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn dropping_who_was_just_let_in_passes_it_on() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let claim = claim(who(0, 0));
    let first = now(gates.enter(claim));
    let mut third = pin!(gates.enter(claim));
    {
        let mut second = pin!(gates.enter(claim));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(first);
        assert_eq!(gates.host().in_flight, 1, "it is the second's, who does not know yet");
        assert!(poll!(&mut third).is_pending());
    }
    let Poll::Ready(Ok(third)) = poll!(&mut third) else { panic!("the permit was lost") };
    drop(third);
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn who_is_let_in_at_the_last_moment_is_in() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let claim = Claim { queue_timeout: 10 * MS, ..claim(who(0, 0)) };
    let first = now(gates.enter(claim));
    let mut second = pin!(gates.enter(claim));
    assert!(poll!(&mut second).is_pending());
    tokio::time::advance(11 * MS).await;
    // Its time is over, but it has not been polled since: the permit came first.
    drop(first);
    assert!(second.await.is_ok());
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn tenants_with_less_in_flight_go_first_by_weight_then_plugins_then_arrival() {
    let gates = Gates::new(6, slots(100, 1), slots(1, 1));
    let heavy = |plugin| Claim { tenant_weight: 4, ..claim(who(1, plugin)) };
    let mut held: Vec<_> = [claim(who(0, 0)), claim(who(0, 0)), heavy(0), heavy(0), heavy(0), claim(who(2, 0))]
        .into_iter()
        .map(|claim| now(gates.enter(claim)))
        .collect();
    let last = held.pop().expect("six were admitted");
    let order = std::cell::RefCell::new(Vec::new());
    let wait = |name: &'static str, claim: Claim| {
        let (gates, order) = (&gates, &order);
        async move {
            let _admitted = gates.enter(claim).await.expect("in time");
            order.borrow_mut().push(name);
        }
    };
    let names = join_all([
        wait("light", claim(who(0, 1))),
        wait("heavy, busy plugin", heavy(0)),
        wait("heavy, idle plugin", heavy(1)),
        wait("heavy, idle plugin, later", heavy(1)),
    ]);
    tokio::join!(names, async { drop(last) });
    let order = order.into_inner();
    assert_eq!(order[0], "heavy, idle plugin");
    assert_eq!(order.iter().position(|name| *name == "light"), Some(3), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_takes_all_it_can_leaves_room_for_others() {
    for shared_gate in [Gate::Host, Gate::Slots] {
        let most = |gate| if gate == shared_gate { 8 } else { 100 };
        let gates = Gates::new(most(Gate::Host), slots(most(Gate::Slots), 8), slots(1, 1));
        gates.shared_by([1, 1]);
        let (greedy, other) = (claim(who(0, 0)), claim(who(1, 0)));
        let mut held: Vec<_> = (0..6).map(|_| now(gates.enter(greedy))).collect();
        let mut seventh = pin!(gates.enter(greedy));
        assert!(poll!(&mut seventh).is_pending(), "six of eight are its reach");
        let refused = gates.enter(Claim { queue: 0, ..greedy }).await.expect_err("nobody may wait");
        assert_eq!((refused.gate, refused.refusal), (shared_gate, Refusal::Full));
        // The other one finds room at once, and the more it takes, the less the first may have.
        let first = now(gates.enter(other));
        let mut second = Box::pin(gates.enter(other));
        assert!(poll!(&mut second).is_pending(), "who holds something does not take the last one");
        held.pop();
        let Poll::Ready(Ok(second)) = poll!(&mut second) else { panic!("it holds less than the first one") };
        assert!(poll!(&mut seventh).is_pending());
        drop((first, second));
        assert!(matches!(poll!(&mut seventh), Poll::Ready(Ok(_))), "what the other gave back");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_tenant_leave_room_for_those_of_another() {
    let gates = Gates::new(100, slots(100, 8), slots(1, 1));
    gates.shared_by([1, 1]);
    let callers = [now(gates.enter(claim(who(0, 0)))), now(gates.enter(claim(who(1, 0))))];
    let call = |tenant| gates.enter_nested(claim(who(tenant, 1)), 1, MS);
    let held: Vec<_> = (0..6).map(|_| now(call(0))).collect();
    let refused = call(0).await.expect_err("six of eight are its reach");
    assert_eq!((refused.gate, refused.refusal), (Gate::Slots, Refusal::Full));
    let other = now(call(1));
    drop((held, other, callers));
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_others_takes_everything() {
    let gates = Gates::new(8, slots(8, 1), slots(1, 1));
    gates.shared_by([1]);
    let held: Vec<_> = (0..8).map(|_| now(gates.enter(claim(who(0, 0))))).collect();
    assert_eq!(gates.host().io_slots, 8);
    drop(held);
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_keeps_its_instance_and_nothing_else() {
    let gates = Gates::new(1, slots(2, 1), slots(1, 1));
    let claim = Claim { plugin_max: 1, tenant_max: 1, ..claim(who(0, 0)) };
    let background = now(gates.enter(claim)).into_background().expect("it is the first");
    assert_eq!(gates.host(), HostLoad { in_flight: 0, waiting: 0, io_slots: 1, compute_slots: 0 });
    let second = now(gates.enter(claim));
    let second = second.into_background().expect_err("one is going on already");
    assert_eq!(gates.host(), HostLoad { in_flight: 1, waiting: 0, io_slots: 2, compute_slots: 0 });
    let load = gates.plugin(claim.who.plugin).expect("it is known");
    assert_eq!((load.in_flight, load.background, load.waiting), (1, 1, 0));
    drop(second);
    // Both slots were held; the background's is still.
    assert_eq!(gates.host().io_slots, 1);
    drop(background);
    assert_idle(&gates);
}

#[tokio::test(start_paused = true)]
async fn requests_share_an_instance_and_its_slot() {
    let gates = Gates::new(100, slots(2, 1), slots(1, 1));
    let shared = Claim { per_instance: 3, ..claim(who(0, 0)) };
    let mut held: Vec<_> = (0..6).map(|_| now(gates.enter(shared))).collect();
    assert_eq!(gates.host().io_slots, 2);
    let mut seventh = pin!(gates.enter(shared));
    assert!(poll!(&mut seventh).is_pending());
    let mut other = pin!(gates.enter(claim(who(1, 0))));
    assert!(poll!(&mut other).is_pending());
    held.pop();
    assert!(matches!(poll!(&mut seventh), Poll::Ready(Ok(_))), "it rides along");
    assert!(poll!(&mut other).is_pending(), "it needs a slot of its own");
    held.truncate(3);
    assert!(matches!(poll!(&mut other), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_new_revisions_wider_limits_let_in_who_waits() {
    let gates = Gates::new(100, slots(100, 1), slots(1, 1));
    let narrow = Claim { plugin_max: 1, ..claim(who(0, 0)) };
    let _first = now(gates.enter(narrow));
    let mut second = pin!(gates.enter(narrow));
    assert!(poll!(&mut second).is_pending());
    let _third = now(gates.enter(Claim { plugin_max: 3, ..narrow }));
    assert!(matches!(poll!(&mut second), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_call_rides_on_its_callers_permits_and_on_the_reserve() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let one = |who| Claim { plugin_max: 1, tenant_max: 1, ..claim(who) };
    let _caller = now(gates.enter(one(who(0, 0))));
    let mut chain = Vec::new();
    for hop in 1..=HOPS {
        chain.push(now(gates.enter_nested(one(who(0, u32::from(hop))), hop, MS)));
        let refused = gates.enter_nested(one(who(0, 50)), hop, MS).now_or_never();
        let refused = refused.expect("it does not wait").expect_err("the hop has one slot");
        assert_eq!((refused.gate, refused.refusal), (Gate::Slots, Refusal::Full));
    }
    assert_eq!(gates.host(), HostLoad { in_flight: 1, waiting: 0, io_slots: 9, compute_slots: 0 });
    assert_eq!(chain.last().map(Permit::hop), Some(HOPS));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_held_up_by_requests_that_wait_for_its_caller() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let callee = Claim { plugin_max: 1, ..claim(who(0, 1)) };
    let _caller = now(gates.enter(claim(who(0, 0))));
    let mut request = pin!(gates.enter(callee));
    assert!(poll!(&mut request).is_pending(), "the caller has the host's permit");
    let call = now(gates.enter_nested(callee, 1, MS));
    let mut second = pin!(gates.enter_nested(callee, 2, 500 * MS));
    assert!(poll!(&mut second).is_pending());
    drop(call);
    assert!(matches!(poll!(&mut second), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_calls_itself_over_another_waits_no_longer_than_it_may() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let one = |who| Claim { plugin_max: 1, queue_timeout: 50 * MS, ..claim(who) };
    let _a = now(gates.enter(one(who(0, 0))));
    let _b = now(gates.enter_nested(one(who(0, 1)), 1, 30 * MS));
    let refused = gates.enter_nested(one(who(0, 0)), 2, 20 * MS).await.expect_err("its caller's caller is in there");
    assert_eq!(refused, Refused { gate: Gate::Plugin, refusal: Refusal::Timeout, waited: 20 * MS });
    let refused = gates.enter_nested(one(who(0, 0)), 2, PATIENT).await.expect_err("as before");
    assert_eq!(refused.waited, 50 * MS, "the plugin's own patience is shorter");
}

const PATIENT: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_fan_out_over_small_gates_ends_in_time() {
    for max in 1..=4 {
        let gates = Gates::new(max, slots(max, max), slots(max, max));
        let of = |who| Claim { plugin_max: max, tenant_max: max, queue_timeout: 100 * MS, ..claim(who) };
        let call = async || {
            let began = Instant::now();
            let admitted = gates.enter_nested(of(who(0, 1)), 1, PATIENT).await;
            assert!(began.elapsed() <= 100 * MS);
            if admitted.is_ok() {
                tokio::time::sleep(10 * MS).await;
            }
        };
        let request = async || {
            let began = Instant::now();
            let admitted = gates.enter(of(who(0, 0))).await;
            assert!(began.elapsed() <= 100 * MS);
            if admitted.is_ok() {
                join_all((0..8).map(|_| call())).await;
            }
        };
        join_all((0..8).map(|_| request())).await;
        assert_idle(&gates);
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "hop 9 is outside 1 to 8")]
async fn the_caller_refuses_longer_chains() {
    let gates = Gates::new(1, slots(1, 1), slots(1, 1));
    let _ = gates.enter_nested(claim(who(0, 0)), HOPS + 1, MS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_contention_from_several_threads_nothing_is_lost() {
    let gates = Gates::new(3, slots(2, 1), slots(2, 1));
    let mut tasks = Vec::new();
    for number in 0..16_u32 {
        let gates = gates.clone();
        let lane = if number % 2 == 0 { Lane::Io } else { Lane::Compute };
        let claim = Claim { lane, plugin_max: 2, tenant_max: 2, ..claim(who(number % 3, number % 5)) };
        tasks.push(tokio::spawn(async move {
            for round in 0..200 {
                let entering = gates.enter(claim);
                let admitted = if (round + number) % 7 == 0 {
                    // Gives up at any moment.
                    tokio::select! {
                        admitted = entering => Some(admitted),
                        () = tokio::task::yield_now() => None,
                    }
                } else {
                    Some(entering.await)
                };
                let Some(admitted) = admitted else { continue };
                assert!(gates.host().in_flight <= 3);
                let admitted = admitted.expect("everyone is quick");
                tokio::task::yield_now().await;
                if round % 5 == 0 {
                    drop(admitted.permit.into_background());
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panics");
    }
    assert_idle(&gates);
}
