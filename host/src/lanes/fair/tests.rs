//! The fair structure against its model, and the promises it makes.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{super::Who, Fair, PluginId, TenantId, Ticket, flows::OUTSIDE_DEBT, model::Model};

const SLICE: u64 = 5_000_000;

fn who(tenant: u32, plugin: u32) -> Who {
    Who { tenant: TenantId(tenant), plugin: PluginId(tenant * 100 + plugin) }
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        who: Who,
        attained: u64,
    },
    Pop,
    /// Of what was pushed, by position; popped things may be meant too.
    Remove(usize),
    /// Of what is out, by position.
    Settle(usize, u64),
    Renew(usize, u64),
    Charge(Who, u64),
    Weight(TenantId, u32),
}

fn anyone() -> impl Strategy<Value = Who> {
    (0..4_u32, 0..3_u32).prop_map(|(tenant, plugin)| who(tenant, plugin))
}

fn step() -> impl Strategy<Value = Step> {
    let nanos = || prop_oneof![Just(0), Just(SLICE), 0..3 * SLICE];
    prop_oneof![
        5 => (anyone(), 0..4_u64).prop_map(|(who, attained)| Step::Push { who, attained }),
        5 => Just(Step::Pop),
        1 => any::<usize>().prop_map(Step::Remove),
        4 => (any::<usize>(), nanos()).prop_map(|(which, nanos)| Step::Settle(which, nanos)),
        1 => (any::<usize>(), nanos()).prop_map(|(which, nanos)| Step::Renew(which, nanos)),
        1 => (anyone(), 0..2 * OUTSIDE_DEBT).prop_map(|(who, nanos)| Step::Charge(who, nanos)),
        1 => (0..4_u32, prop_oneof![Just(1), Just(2), Just(4)])
            .prop_map(|(tenant, weight)| Step::Weight(TenantId(tenant), weight)),
    ]
}

/// The structure and its model, side by side.
struct Pair {
    fair: Fair<u32>,
    model: Model,
    pushed: Vec<(Ticket, Who)>,
    out: Vec<Who>,
}

impl Pair {
    fn new() -> Self {
        Self { fair: Fair::new(SLICE), model: Model::new(SLICE), pushed: Vec::new(), out: Vec::new() }
    }

    fn pop(&mut self) -> Result<(), TestCaseError> {
        let waiting = self.fair.len();
        let popped = self.fair.pop();
        prop_assert_eq!(popped.is_some(), waiting > 0, "it is work conserving");
        prop_assert_eq!(popped, self.model.pop());
        self.out.extend(popped.map(|(who, _)| who));
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push { who, attained } => {
                let name = u32::try_from(self.pushed.len()).expect("a short sequence");
                self.pushed.push((self.fair.push(who, attained, name), who));
                self.model.push(who, attained, name);
            }
            Step::Pop => self.pop()?,
            Step::Remove(which) if !self.pushed.is_empty() => {
                let which = which % self.pushed.len();
                let (ticket, who) = self.pushed[which];
                let name = u32::try_from(which).expect("a short sequence");
                prop_assert_eq!(self.fair.remove(ticket).is_some(), self.model.remove(who, name));
            }
            Step::Settle(which, nanos) if !self.out.is_empty() => {
                let who = self.out.swap_remove(which % self.out.len());
                self.fair.settle(who, nanos);
                self.model.settle(who, nanos);
            }
            Step::Renew(which, nanos) if !self.out.is_empty() => {
                let who = self.out[which % self.out.len()];
                self.fair.renew(who, nanos);
                self.model.renew(who, nanos);
            }
            Step::Charge(who, nanos) => {
                self.fair.charge(who, nanos);
                self.model.charge(who, nanos);
            }
            Step::Weight(tenant, weight) => {
                self.fair.set_weight(tenant, weight);
                self.model.set_weight(tenant, weight);
            }
            Step::Remove(_) | Step::Settle(..) | Step::Renew(..) => {}
        }
        prop_assert_eq!(self.fair.len(), self.model.len());
        Ok(())
    }
}

proptest! {
    #[test]
    fn it_chooses_as_the_model_does(steps in prop::collection::vec(step(), 0..120)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.step(step)?;
        }
        while !pair.fair.is_empty() {
            pair.pop()?;
        }
        for who in std::mem::take(&mut pair.out) {
            pair.fair.settle(who, 1);
        }
        prop_assert!(pair.fair.is_forgotten(), "an idle structure remembers nobody");
    }

    /// Servers that always find both tenants waiting share their time between them by weight, whatever single slices
    /// cost, and however the tenants' work is spread over plugins.
    #[test]
    fn two_that_always_wait_get_service_by_weight(
        weights in (1..5_u32, 1..5_u32),
        servers in 1..5_usize,
        costs in prop::collection::vec(1..=SLICE, 1..400),
    ) {
        let mut fair = Fair::new(SLICE);
        fair.set_weight(TenantId(0), weights.0);
        fair.set_weight(TenantId(1), weights.1);
        for place in 0..2 * servers as u32 {
            fair.push(who(0, place % 2), 0, ());
            fair.push(who(1, 0), 0, ());
        }
        let weights = [f64::from(weights.0), f64::from(weights.1)];
        let bound = (servers + 1) as f64 * SLICE as f64 * (1.0 / weights[0] + 1.0 / weights[1]);
        let mut service = [0.0; 2];
        // Each server's work ends at its own time: the earliest is next.
        let mut busy = Vec::new();
        let mut now = 0;
        for cost in costs {
            if busy.len() == servers {
                busy.sort_unstable();
                let (end, cost, who): (u64, u64, Who) = busy.remove(0);
                now = end;
                fair.push(who, 0, ());
                fair.settle(who, cost);
                service[who.tenant.0 as usize] += cost as f64;
            }
            let (who, ()) = fair.pop().expect("both always wait");
            busy.push((now + cost, cost, who));
            let apart = (service[0] / weights[0] - service[1] / weights[1]).abs();
            prop_assert!(apart <= bound, "{apart} apart, at most {bound}");
        }
    }

    /// Whatever went on before, a tenant that arrives is served before any other tenant is served twice.
    #[test]
    fn a_newcomer_waits_for_one_pick_of_each_other(
        steps in prop::collection::vec(step(), 0..80),
        costs in prop::collection::vec(0..3 * SLICE, 40),
    ) {
        let mut pair = Pair::new();
        for step in steps {
            // Equal weights, so that one slice of a heavy tenant does not count less than one of a light one.
            if !matches!(step, Step::Weight(..)) {
                pair.step(step)?;
            }
        }
        let newcomer = who(9, 0);
        pair.fair.push(newcomer, 0, u32::MAX);
        let mut served = Vec::new();
        for cost in costs {
            let (who, name) = pair.fair.pop().expect("the newcomer waits at least");
            if who == newcomer {
                return Ok(());
            }
            prop_assert!(!served.contains(&who.tenant), "{:?} was served twice", who.tenant);
            served.push(who.tenant);
            // Whoever is served comes back at once.
            pair.fair.push(who, 0, name);
            pair.fair.settle(who, cost);
        }
        prop_assert!(false, "the newcomer was not served");
    }
}

#[test]
fn within_a_plugin_the_least_attained_is_next_then_the_first_to_arrive() {
    let mut fair = Fair::new(SLICE);
    for (attained, name) in [(7, "long"), (0, "new"), (3, "middle"), (0, "newer")] {
        fair.push(who(0, 0), attained, name);
    }
    let order: Vec<_> = std::iter::from_fn(|| fair.pop().map(|(_, name)| name)).collect();
    assert_eq!(order, ["new", "newer", "middle", "long"]);
}

#[test]
fn long_work_gets_its_slices_while_short_work_never_ends() {
    let mut fair = Fair::new(SLICE);
    for name in ["long", "longer"] {
        fair.push(who(0, 0), 9, name);
    }
    let mut served = HashMap::from([("long", 0_u32), ("longer", 0), ("short", 0)]);
    while served["short"] <= 600 {
        fair.push(who(0, 0), 0, "short");
        // Until it is served: then there is always just one, younger than the long work.
        loop {
            let (who, name) = fair.pop().expect("something waits");
            *served.get_mut(name).expect("they are known") += 1;
            if name == "short" {
                fair.settle(who, SLICE);
                break;
            }
            fair.push(who, 9, name);
            fair.settle(who, SLICE);
        }
    }
    assert_eq!((served["long"], served["longer"]), (100, 100), "a quarter of the picks, in turns");
}

#[test]
fn plugins_of_one_tenant_share_evenly_however_much_each_has_waiting() {
    let mut fair = Fair::new(SLICE);
    for _ in 0..30 {
        fair.push(who(0, 0), 0, ());
    }
    for _ in 0..3 {
        fair.push(who(0, 1), 0, ());
    }
    let mut first = Vec::new();
    for _ in 0..6 {
        let (who, ()) = fair.pop().expect("much waits");
        first.push(who.plugin.0);
        fair.settle(who, SLICE);
    }
    assert_eq!(first, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn idling_earns_nothing() {
    let mut fair = Fair::new(SLICE);
    fair.push(who(0, 0), 0, ());
    for _ in 0..100 {
        let (who, ()) = fair.pop().expect("one waits");
        fair.push(who, 0, ());
        fair.settle(who, SLICE);
    }
    // The second tenant was idle all the time; now they alternate.
    let mut served = [0; 2];
    for _ in 0..10 {
        fair.push(who(1, 0), 0, ());
    }
    for _ in 0..10 {
        let (who, ()) = fair.pop().expect("both wait");
        fair.push(who, 0, ());
        fair.settle(who, SLICE);
        served[who.tenant.0 as usize] += 1;
    }
    assert_eq!(served, [5, 5]);
}

#[test]
fn a_debt_is_paid_although_its_owner_was_away() {
    let mut fair = Fair::new(SLICE);
    fair.push(who(0, 0), 0, ());
    fair.push(who(1, 0), 0, ());
    let (first, ()) = fair.pop().expect("two wait");
    fair.settle(first, 10 * SLICE);
    assert_eq!(first, who(0, 0));
    fair.push(who(0, 0), 0, ());
    let mut between = 0;
    loop {
        let (next, ()) = fair.pop().expect("both wait");
        if next == first {
            break;
        }
        between += 1;
        fair.push(next, 0, ());
        fair.settle(next, SLICE);
    }
    assert_eq!(between, 10, "the other tenant was served as much first");
}

#[test]
fn work_outside_picks_delays_its_owner_by_a_bounded_debt() {
    let mut fair = Fair::new(SLICE);
    fair.push(who(0, 0), 0, ());
    fair.push(who(1, 0), 0, ());
    let mut longest = 0;
    let mut since = 0;
    for _ in 0..1000 {
        // The first tenant uses far more than anyone outside its picks.
        fair.charge(who(0, 0), 50 * SLICE);
        let (next, ()) = fair.pop().expect("both wait");
        fair.push(next, 0, ());
        fair.settle(next, SLICE);
        since = if next == who(0, 0) { 0 } else { since + 1 };
        longest = longest.max(since);
    }
    let debt = OUTSIDE_DEBT / SLICE;
    assert!((debt / 2..=debt + 2).contains(&longest), "it waited for {longest} slices");
}

#[test]
fn many_come_and_go_and_none_is_remembered() {
    let mut fair = Fair::new(SLICE);
    fair.push(who(0, 0), 0, ());
    let mut most = 0;
    for tenant in 1..10_000 {
        fair.push(who(tenant, 0), 0, ());
        for _ in 0..2 {
            let (next, ()) = fair.pop().expect("one waits at least");
            if next == who(0, 0) {
                fair.push(next, 0, ());
            }
            fair.settle(next, SLICE);
        }
        most = most.max(fair.remembered());
    }
    assert!(most < 10, "{most} tenants are remembered");
}
