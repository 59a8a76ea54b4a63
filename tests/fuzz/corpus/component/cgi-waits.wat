;; Waits for something that is no subscription.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2 8)
  (data (i32.const 1024) "\40\04\00\00\1f\00\00\00")
  (data (i32.const 1088) "\43\6f\6e\74\65\6e\74\2d\54\79\70\65\3a\20\74\65\78\74\2f\70\6c\61\69\6e\0a\0a\68\65\6c\6c\6f")
  (func (export "work") (result i32) i32.const 1)
  (@custom "plan" "\00\00\00\02\90\94\01\82"))
