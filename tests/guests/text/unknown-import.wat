;; Imports what no host offers.
(module
  (import "example:nowhere/nothing@1.0.0" "nothing" (func))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
