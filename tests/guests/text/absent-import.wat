;; A command that imports what no host offers, a handle among it, and calls it.
(component
  (import "example:nowhere/nothing@1.0.0" (instance $nowhere
    (export "thing" (type $thing (sub resource)))
    (export "nothing" (func (result (own $thing))))))
  (core func $nothing (canon lower (func $nowhere "nothing")))
  (core module $m
    (import "nowhere" "nothing" (func $nothing (result i32)))
    (func (export "run") (result i32) (drop (call $nothing)) (i32.const 0)))
  (core instance $i (instantiate $m (with "nowhere" (instance (export "nothing" (func $nothing))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $face (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $face)))
