//! A handler in WebAssembly text whose whole body names its revision.

use std::fmt::Write as _;

/// What one write to the stream may carry at most, by the interface's rules.
const WRITE: usize = 4096;

/// Writes a reply is made of: a reply of several writes could be torn between revisions, a short one hardly.
const WRITES: usize = 4;

/// One line of the body: eight bytes, so that whole lines fill a write.
fn line(revision: u64) -> String {
    format!("r{revision:06}\n")
}

/// The body that this revision answers.
pub(crate) fn body(revision: u64) -> String {
    line(revision).repeat(WRITE * WRITES / line(revision).len())
}

/// The handler's text: a core module with the canonical names of wasi:http 0.2.
pub(crate) fn handler(revision: u64) -> String {
    let mut writes = String::new();
    for _ in 0..WRITES {
        let _ =
            writeln!(writes, "    (call $put (local.get $stream) (i32.const 1024) (i32.const {WRITE}) (i32.const 0))");
    }
    let part = line(revision).repeat(WRITE / line(revision).len()).replace('\n', "\\n");
    TEMPLATE
        .replace("@REVISION@", &revision.to_string())
        .replace("@PART@", &part)
        .replace("@WRITES@", writes.trim_end())
}

const TEMPLATE: &str = r#";; Revision @REVISION@: answers its own line, again and again.
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $new-fields (result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $new-response (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[resource-drop]incoming-request" (func $drop-request (param i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush"
    (func $put (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.12" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "@PART@")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $response i32) (local $body i32) (local $stream i32)
    (call $drop-request (local.get $request))
    (local.set $response (call $new-response (call $new-fields)))
    (call $body (local.get $response) (i32.const 0))
    (local.set $body (i32.load (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write (local.get $body) (i32.const 0))
    (local.set $stream (i32.load (i32.const 4)))
@WRITES@
    (call $drop-stream (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))))
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_parses_and_differs_by_revision() -> anyhow::Result<()> {
        let (first, second) = (wat::parse_str(handler(1))?, wat::parse_str(handler(1_000))?);
        assert_ne!(first, second);
        assert_eq!(first.len(), second.len());
        Ok(())
    }

    #[test]
    fn bodies_are_whole_writes() {
        assert_eq!(body(17).len(), WRITE * WRITES);
        assert!(body(17).starts_with("r000017\nr000017\n") && body(17).ends_with("r000017\n"));
    }
}
