;; A wasi:http 0.2 handler by hand: takes a request, answers "hello from text!".
;;
;; Names and signatures are the canonical ABI's: a resource is an i32 handle, text is a pointer and a length, and a
;; function with a larger result writes it where its last parameter points. A result's first byte says ok (0) or error.
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $new-fields (result i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.append"
    (func $append (param $fields i32) (param $name i32) (param $name-len i32) (param $value i32) (param $value-len i32)
                  (param $result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $new-response (param $fields i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.body" (func $body (param $response i32) (param $result i32)))
  (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
    ;; param, ok or error, the response's handle, and room for the largest error there is
    (func $set (param $out i32) (param $tag i32) (param $response i32) (param i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param $body i32) (param $result i32)))
  (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish"
    (func $finish (param $body i32) (param $has-trailers i32) (param $trailers i32) (param $result i32)))
  (import "wasi:http/types@0.2.12" "[resource-drop]incoming-request" (func $drop-request (param i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush"
    (func $put (param $stream i32) (param $text i32) (param $len i32) (param $result i32)))
  (import "wasi:io/streams@0.2.12" "[resource-drop]output-stream" (func $drop-stream (param i32)))

  ;; The first 64 bytes hold results; the texts begin at 1024.
  (memory (export "memory") 1)
  (data (i32.const 1024) "content-type")
  (data (i32.const 1040) "text/plain; charset=utf-8")
  (data (i32.const 1088) "hello from text!\n")

  ;; The host asks for memory here when it passes text in. Nothing this handler calls does.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)

  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $fields i32) (local $response i32) (local $body i32) (local $stream i32)
    (call $drop-request (local.get $request))

    ;; The head: status 200 is the default.
    (local.set $fields (call $new-fields))
    (call $append (local.get $fields) (i32.const 1024) (i32.const 12) (i32.const 1040) (i32.const 25) (i32.const 0))
    (local.set $response (call $new-response (local.get $fields)))
    (call $body (local.get $response) (i32.const 0))
    (local.set $body (i32.load (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))

    ;; The body.
    (call $write (local.get $body) (i32.const 0))
    (local.set $stream (i32.load (i32.const 4)))
    (call $put (local.get $stream) (i32.const 1088) (i32.const 17) (i32.const 0))
    (call $drop-stream (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))))
