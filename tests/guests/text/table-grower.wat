;; Grows its table until it is refused, then traps: tables count as memory.
(module
  (table $t 1 funcref)
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)
    (loop $again
      (br_if $again (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 65536)))))
    unreachable))
