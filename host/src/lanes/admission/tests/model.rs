//! Random sequences of everything that can happen, decided a second time by searching plain lists from end to end.

use proptest::prelude::*;

use super::{super::state::State, *};

/// Six plugins: two of each of three tenants, with limits that are reached quickly.
#[derive(Clone, Debug)]
struct World {
    several: bool,
    host_max: u32,
    io: Slots,
    compute: Slots,
    claims: Vec<Claim>,
}

fn world() -> impl Strategy<Value = World> {
    let tenants = prop::collection::vec((1..5_u32, 1..4_u32), 3);
    let plugins = prop::collection::vec((any::<bool>(), 1..4_u32, 0..4_u32, 1..4_u32), 6);
    let shared = (any::<bool>(), 1..13_u32, 1..9_u32, 1..4_u32);
    (shared, tenants, plugins).prop_map(|((several, host_max, direct, nested), tenants, plugins)| {
        let claims = plugins.into_iter().enumerate().map(|(number, (io, plugin_max, queue, per_instance))| {
            let (tenant, plugin) = (number / 2, u32::try_from(number % 2).expect("0 or 1"));
            let (tenant_max, tenant_weight) = tenants[tenant];
            let who = who(u32::try_from(tenant).expect("below 3"), plugin);
            let lane = if io { Lane::Io } else { Lane::Compute };
            Claim { lane, plugin_max, tenant_max, tenant_weight, queue, per_instance, ..claim(who) }
        });
        World { several, host_max, io: slots(direct, nested), compute: slots(direct + 1, 1), claims: claims.collect() }
    })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request to this plugin, or a call at this hop.
    Enter(usize, u8),
    /// Positions among those that could do it.
    Release(usize),
    Leave(usize),
    GoOn(usize),
    End(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_usize, prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(2)]).prop_map(|(p, hop)| Step::Enter(p, hop)),
        5 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::GoOn),
        1 => any::<usize>().prop_map(Step::End),
    ]
}

/// Someone who holds something, waits for it, or goes on in the background.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Someone {
    name: u32,
    who: Who,
    origin: Origin,
    /// The number in the queue, while he waits.
    number: u64,
}

struct Model {
    world: World,
    running: Vec<Someone>,
    background: Vec<Someone>,
    /// In the order of arrival.
    waiting: Vec<Someone>,
    /// Tenants in the order in which they were last served or first heard of; forgotten tenants are struck off.
    served: Vec<TenantId>,
}

impl Model {
    fn claim(&self, who: Who) -> &Claim {
        self.world.claims.iter().find(|claim| claim.who == who).expect("one of the six")
    }

    fn in_flight(&self, counts: impl Fn(&Someone) -> bool) -> u32 {
        u32::try_from(self.running.iter().filter(|one| counts(one)).count()).expect("few")
    }

    fn plugin_in_flight(&self, who: Who) -> u32 {
        self.in_flight(|one| one.who == who)
    }

    fn tenant_in_flight(&self, tenant: TenantId) -> u32 {
        self.in_flight(|one| one.who.tenant == tenant && one.origin.hop == 0)
    }

    fn shares(&self, who: Who, origin: Origin) -> u32 {
        let all = self.running.iter().chain(&self.background);
        u32::try_from(all.filter(|one| one.who == who && one.origin == origin).count()).expect("few")
    }

    /// Slots taken of one lane and hop by these plugins.
    fn slots_of(&self, origin: Origin, counts: impl Fn(&Claim) -> bool) -> u32 {
        let of = |claim: &Claim| self.shares(claim.who, origin).div_ceil(claim.per_instance);
        self.world.claims.iter().filter(|claim| counts(claim)).map(of).sum()
    }

    /// Slots taken of one lane and hop.
    fn slots(&self, origin: Origin) -> u32 {
        self.slots_of(origin, |_| true)
    }

    /// Whether a plugin's tenant may take one more of what all tenants share.
    fn reaches(&self, claim: &Claim, held: u32, taken: u32, most: u32) -> bool {
        let least = self.world.claims.iter().map(|claim| claim.tenant_weight).min().expect("six");
        let free = most - taken;
        match self.world.several {
            true if held > 0 => free > 1 && f64::from(held * least) < f64::from(3 * claim.tenant_weight * free),
            _ => free > 0,
        }
    }

    fn most_slots(&self, origin: Origin) -> u32 {
        let slots = if origin.lane == Lane::Io { self.world.io } else { self.world.compute };
        if origin.hop == 0 { slots.direct } else { slots.nested[usize::from(origin.hop) - 1] }
    }

    /// Whether there is room in an instance that the plugin has.
    fn rides(&self, who: Who, origin: Origin) -> bool {
        !self.shares(who, origin).is_multiple_of(self.claim(who).per_instance)
    }

    fn gate(&self, who: Who, origin: Origin) -> Option<Gate> {
        let claim = self.claim(who);
        let rides = self.rides(who, origin);
        let own = self.slots_of(origin, |other| other.who.tenant == who.tenant);
        let slot = rides || self.reaches(claim, own, self.slots(origin), self.most_slots(origin));
        let permit = self.plugin_in_flight(who) < claim.plugin_max;
        let tenant = self.tenant_in_flight(who.tenant) < claim.tenant_max;
        let host = self.in_flight(|one| one.origin.hop == 0);
        let host = self.reaches(claim, self.tenant_in_flight(who.tenant), host, self.world.host_max);
        let gates = match origin.hop {
            0 => vec![(permit, Gate::Plugin), (tenant, Gate::Tenant), (host, Gate::Host), (slot, Gate::Slots)],
            _ => vec![(slot, Gate::Slots), (permit, Gate::Plugin)],
        };
        gates.into_iter().find(|(free, _)| !free).map(|(_, gate)| gate)
    }

    fn start(&mut self, one: Someone) {
        if one.origin.hop == 0 {
            self.served.retain(|tenant| *tenant != one.who.tenant);
            self.served.push(one.who.tenant);
        }
        self.running.push(one);
    }

    /// A tenant about which nothing is known any more starts again as a new one.
    fn forget(&mut self) {
        let known = |tenant| {
            let mut all = self.running.iter().chain(&self.background).chain(&self.waiting);
            all.any(|one: &Someone| one.who.tenant == tenant)
        };
        let served = self.served.iter().copied().filter(|tenant| known(*tenant)).collect();
        self.served = served;
    }

    /// Who goes first among the requests whose gates are free.
    fn best_request(&self) -> Option<Someone> {
        let firsts = self.waiting.iter().filter(|one| {
            let before = self.waiting.iter().take_while(|other| other.name != one.name);
            one.origin.hop == 0 && !before.clone().any(|other| other.who == one.who && other.origin.hop == 0)
        });
        let open = firsts.filter(|one| self.gate(one.who, one.origin).is_none());
        let rank = |one: &Someone| {
            let claim = self.claim(one.who);
            let held = match self.rides(one.who, one.origin) {
                true => self.tenant_in_flight(one.who.tenant),
                false => self.slots_of(one.origin, |other| other.who.tenant == one.who.tenant),
            };
            let load = (u64::from(held) << 32) / u64::from(claim.tenant_weight);
            let served = self.served.iter().position(|tenant| *tenant == one.who.tenant);
            (load, served, self.plugin_in_flight(one.who), one.number)
        };
        open.min_by_key(|one| rank(one)).copied()
    }

    /// Lets in whom the gates let in after something of `freed` came back.
    fn dispatch(&mut self, freed: Who) -> Vec<(u32, Result<(), Gate>)> {
        let mut decisions = Vec::new();
        loop {
            let permit = self.plugin_in_flight(freed) < self.claim(freed).plugin_max;
            let call = self.waiting.iter().find(|one| permit && one.who == freed && one.origin.hop > 0).copied();
            let own = self.waiting.iter().find(|one| one.who == freed && one.origin.hop == 0);
            let call_first = call.filter(|call| own.is_none_or(|own| call.number < own.number));
            let Some(next) = call_first.or(self.best_request()).or(call) else {
                self.forget();
                return decisions;
            };
            self.waiting.retain(|one| one.name != next.name);
            let outcome = self.gate(next.who, next.origin).map_or(Ok(()), Err);
            if outcome.is_ok() {
                self.start(next);
            }
            decisions.push((next.name, outcome));
        }
    }

    /// What must hold whatever happened.
    fn check(&self, state: &State<u32>) -> Result<(), TestCaseError> {
        for claim in &self.world.claims {
            prop_assert!(self.plugin_in_flight(claim.who) <= claim.plugin_max);
            prop_assert!(self.tenant_in_flight(claim.who.tenant) <= claim.tenant_max);
            let background = self.background.iter().filter(|one| one.who == claim.who).count();
            prop_assert!(background <= claim.plugin_max as usize);
            let load = state.plugin_load(claim.who.plugin);
            let (waiting, in_flight) = load.map_or((0, 0), |load| (load.waiting, load.in_flight));
            prop_assert_eq!(waiting as usize, self.waiting.iter().filter(|one| one.who == claim.who).count());
            prop_assert_eq!(in_flight, self.plugin_in_flight(claim.who));
            prop_assert!(waiting <= claim.queue);
        }
        prop_assert_eq!(state.host_load().waiting as usize, self.waiting.len());
        prop_assert!(state.host_load().in_flight <= self.world.host_max);
        prop_assert_eq!(state.host_load().in_flight, self.in_flight(|one| one.origin.hop == 0));
        for lane in [Lane::Io, Lane::Compute] {
            let mut all = 0;
            for hop in 0..=HOPS {
                let origin = Origin { lane, hop };
                prop_assert!(self.slots(origin) <= self.most_slots(origin));
                all += self.slots(origin);
            }
            let load = state.host_load();
            prop_assert_eq!(all, if lane == Lane::Io { load.io_slots } else { load.compute_slots });
        }
        prop_assert_eq!(self.best_request(), None, "someone waits although nothing holds him");
        for one in self.waiting.iter().filter(|one| one.origin.hop > 0) {
            prop_assert_eq!(self.plugin_in_flight(one.who), self.claim(one.who).plugin_max, "{:?} waits", one);
        }
        Ok(())
    }
}

fn outcomes(decisions: Vec<super::super::state::Decision<u32>>) -> Vec<(u32, Result<(), Gate>)> {
    decisions.into_iter().map(|decision| (decision.waiter, decision.outcome)).collect()
}

/// Takes one out of the list.
fn take(list: &mut Vec<Someone>, which: usize) -> Option<Someone> {
    (!list.is_empty()).then(|| list.remove(which % list.len()))
}

fn enter(model: &mut Model, state: &mut State<u32>, name: u32, plugin: usize, hop: u8) -> Result<(), TestCaseError> {
    let claim = model.world.claims[plugin];
    let origin = Origin { lane: claim.lane, hop };
    if !model.served.contains(&claim.who.tenant) {
        model.served.push(claim.who.tenant);
    }
    let (entry, decisions) = state.enter(&claim, origin, || name);
    prop_assert!(decisions.is_empty(), "the limits have not changed");
    let waiting = model.waiting.iter().filter(|one| one.who == claim.who).count();
    let mut someone = Someone { name, who: claim.who, origin, number: 0 };
    match model.gate(claim.who, origin) {
        None => {
            prop_assert_eq!(entry, Entry::Admitted);
            model.start(someone);
        }
        Some(Gate::Slots) if hop > 0 => prop_assert_eq!(entry, Entry::Refused(Gate::Slots)),
        Some(gate) if waiting >= claim.queue as usize => prop_assert_eq!(entry, Entry::Refused(gate)),
        Some(_) => {
            let Entry::Waits(number) = entry else { panic!("it had to wait, not {entry:?}") };
            someone.number = number;
            model.waiting.push(someone);
        }
    }
    Ok(())
}

fn take_step(model: &mut Model, state: &mut State<u32>, name: u32, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Enter(plugin, hop) => enter(model, state, name, plugin, hop)?,
        Step::Release(which) => {
            let Some(one) = take(&mut model.running, which) else { return Ok(()) };
            prop_assert_eq!(outcomes(state.release(one.who, one.origin)), model.dispatch(one.who));
        }
        Step::Leave(which) => {
            let Some(one) = take(&mut model.waiting, which) else { return Ok(()) };
            let (gate, decisions) = state.leave(one.who, one.number);
            prop_assert_eq!(gate, Some(model.gate(one.who, one.origin).unwrap_or(Gate::Plugin)));
            prop_assert_eq!(outcomes(decisions), model.dispatch(one.who));
            prop_assert_eq!(state.leave(one.who, one.number).0, None, "he left before");
        }
        Step::GoOn(which) => {
            let Some(one) = take(&mut model.running, which) else { return Ok(()) };
            let others = model.background.iter().filter(|other| other.who == one.who).count();
            let may = others < model.claim(one.who).plugin_max as usize;
            let (goes_on, decisions) = state.go_on(one.who, one.origin);
            prop_assert_eq!(goes_on, may);
            if may {
                model.background.push(one);
                prop_assert_eq!(outcomes(decisions), model.dispatch(one.who));
            } else {
                model.running.push(one);
            }
        }
        Step::End(which) => {
            let Some(one) = take(&mut model.background, which) else { return Ok(()) };
            prop_assert_eq!(outcomes(state.end(one.who, one.origin)), model.dispatch(one.who));
        }
    }
    model.forget();
    model.check(state)
}

proptest! {
    #[test]
    fn it_decides_as_the_model_does_and_everything_comes_back(
        world in world(),
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let mut state = State::new(world.host_max, world.io, world.compute);
        let weights = world.claims.iter().map(|claim| claim.tenant_weight);
        state.set_reach(Reach::among(weights.take(if world.several { 6 } else { 1 })));
        let mut model = Model {
            world, running: Vec::new(), background: Vec::new(), waiting: Vec::new(), served: Vec::new(),
        };
        for (name, step) in (0..).zip(steps) {
            take_step(&mut model, &mut state, name, step)?;
        }
        while !(model.running.is_empty() && model.background.is_empty()) {
            take_step(&mut model, &mut state, 0, Step::Release(0))?;
            take_step(&mut model, &mut state, 0, Step::End(0))?;
        }
        prop_assert!(model.waiting.is_empty(), "nobody waits for nothing");
        prop_assert!(state.is_forgotten(), "an idle host remembers nobody: {:?}", state);
    }
}
