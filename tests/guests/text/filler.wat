;; Fills all of its 32 MiB with one instruction, again and again: a tick falls between two fills, never into one.
(module
  (memory (export "memory") 512)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 33554432))
      (br $again))))
