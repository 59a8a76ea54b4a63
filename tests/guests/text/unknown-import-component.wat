;; A component that imports what no host offers, beside a handler's export.
(component
  (import "example:nowhere/nothing@1.0.0" (instance (export "nothing" (func))))
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $face (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $face)))
