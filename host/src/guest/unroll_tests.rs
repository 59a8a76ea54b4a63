//! Whatever way a function goes, it goes the same way when its loops are unrolled.

use proptest::prelude::*;
use wasmtime::{Config, Engine, Instance, Module, Store};

use super::*;

/// What a function computes that is made of these says which way it went, and how often.
#[derive(Clone, Debug)]
enum Statement {
    Adds(u8),
    Block(Vec<Statement>),
    Either(Vec<Statement>, Vec<Statement>),
    Loop(Vec<Statement>),
    Br(u32),
    BrIf(u32),
    BrTable(Vec<u32>),
    Return,
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let plain = prop_oneof![
        4 => any::<u8>().prop_map(Statement::Adds),
        1 => (0..5_u32).prop_map(Statement::Br),
        4 => (0..5_u32).prop_map(Statement::BrIf),
        1 => prop::collection::vec(0..5_u32, 1..4).prop_map(Statement::BrTable),
        1 => Just(Statement::Return),
    ];
    let one = plain.prop_recursive(5, 60, 6, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            some().prop_map(Statement::Block),
            (some(), some()).prop_map(|(yes, no)| Statement::Either(yes, no)),
            some().prop_map(Statement::Loop),
            some().prop_map(Statement::Loop),
        ]
    });
    prop::collection::vec(one, 1..8)
}

/// As text. Every loop takes a step each time it begins anew, and there are only so many.
fn text(statements: &[Statement], depth: u32, out: &mut String) {
    const STEP: &str =
        "(if (i32.eqz (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))) (then (return (local.get $sum))))";
    let bit = "(i32.and (local.get $sum) (i32.const 1))";
    let label = |asked: &u32| asked % (depth + 1);
    for statement in statements {
        match statement {
            Statement::Adds(n) => {
                *out +=
                    &format!("(local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.const {n})))");
            }
            Statement::Block(inner) => {
                *out += "(block ";
                text(inner, depth + 1, out);
                *out += ")";
            }
            Statement::Either(yes, no) => {
                *out += &format!("(if {bit} (then ");
                text(yes, depth + 1, out);
                *out += ") (else ";
                text(no, depth + 1, out);
                *out += "))";
            }
            Statement::Loop(inner) => {
                *out += &format!("(drop (loop (result i32) {STEP}");
                text(inner, depth + 1, out);
                *out += "(local.get $sum)))";
            }
            // The outermost label is the function's, and takes its result along.
            Statement::Br(asked) if label(asked) == depth => *out += "(return (local.get $sum))",
            Statement::Br(asked) => *out += &format!("(br {})", label(asked)),
            Statement::BrIf(asked) if label(asked) == depth => {
                *out += &format!("(if {bit} (then (return (local.get $sum))))");
            }
            Statement::BrIf(asked) => *out += &format!("(br_if {} {bit})", label(asked)),
            Statement::BrTable(asked) if depth > 0 => {
                let labels: Vec<String> = asked.iter().map(|asked| (asked % depth).to_string()).collect();
                *out += &format!("(br_table {} (i32.and (local.get $sum) (i32.const 3)))", labels.join(" "));
            }
            Statement::BrTable(_) | Statement::Return => *out += "(return (local.get $sum))",
        }
    }
}

fn module(statements: &[Statement]) -> Vec<u8> {
    let mut body = String::new();
    text(statements, 0, &mut body);
    let module = format!(
        "(module (func (export \"run\") (param $sum i32) (param $steps i32) (result i32) {body} (local.get $sum)))"
    );
    wat::parse_str(module).expect("the text is valid")
}

/// The result, and the fuel it took.
fn run(engine: &Engine, wasm: &[u8], sum: i32, steps: i32) -> (i32, u64) {
    let module = Module::new(engine, wasm).expect("it is valid");
    let mut store = Store::new(engine, ());
    store.set_fuel(1 << 30).expect("fuel is counted");
    let instance = Instance::new(&mut store, &module, &[]).expect("it needs nothing");
    let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").expect("it is there");
    let result = run.call(&mut store, (sum, steps)).expect("it ends");
    (result, (1 << 30) - store.get_fuel().expect("fuel is counted"))
}

fn engine() -> Engine {
    let mut config = Config::new();
    Engine::new(config.consume_fuel(true)).expect("an engine")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn whatever_way_a_function_goes_it_goes_the_same_way(statements in statements(), sum: i32, steps in 1..200_i32) {
        let (engine, wasm) = (engine(), module(&statements));
        let all = unroll_within(&wasm, |_| usize::MAX);
        let expected = run(&engine, &wasm, sum, steps);
        for unrolled in [unroll(&wasm), all] {
            let unrolled = unrolled.expect("it can be read");
            let (result, fuel) = run(&engine, &unrolled, sum, steps);
            prop_assert_eq!(result, expected.0);
            // A loop that ends in a copy is left by a branch, which costs one.
            prop_assert!(fuel >= expected.1 && fuel - expected.1 <= steps as u64, "{} {}", fuel, expected.1);
        }
    }
}

#[test]
fn the_shortest_loops_come_first_and_a_module_grows_no_further_than_it_may() {
    assert_eq!(affordable(vec![30, 10, 20, 10], 60), 10);
    assert_eq!(affordable(vec![30, 10, 20, 10], 59), 0);
    assert_eq!(affordable(vec![30, 10, 20, 10], 3 * 70), 30);
    assert_eq!(affordable(vec![], 0), 0);
    assert_eq!([LARGEST, LARGEST + 1].map(room), [LARGEST / GROWTH, 0]);
}

#[test]
fn loops_in_components_are_unrolled_and_what_has_none_stays_as_it_is() {
    let count = "(func (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))";
    let idle = "(func (param i32) (block (br_if 0 (local.get 0))))".repeat(40);
    let nested = wat::parse_str(format!("(component (component (core module {count} {idle})))")).expect("valid");
    let unrolled = unroll(&nested).expect("it can be read");
    assert!(unrolled.len() > nested.len() && unrolled.len() < nested.len() * 2);
    wasmparser::Validator::new().validate_all(&unrolled).expect("valid still");
    let without = wat::parse_str(format!("(module {idle} (memory 1) (data \"x\"))")).expect("valid");
    assert_eq!(unroll(&without).expect("it can be read"), without);
    unroll(b"\0asm\x01\0\0\0\x0a\xff").expect_err("no WebAssembly");
}
