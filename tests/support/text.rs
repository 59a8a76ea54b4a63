//! Guests of a few lines of text, made for the moment: each revision says something else.

use std::{fmt::Write as _, fs, io, path::Path};

/// What the guests are made from: the example plugin that is one file of text.
const HELLO: &str = include_str!("../../plugins/hello/hello.wat");

/// What it says.
const SAYS: &str = "hello from wasmbay!\\n";

/// The one place that tells how long that is.
const LENGTH: &str = "(i32.const 1088) (i32.const 20)";

/// The call that writes it.
const WRITE: &str = "(call $put (local.get $stream) (i32.const 1088) (i32.const 20) (i32.const 0))";

/// The most that one of its writes may hold.
pub const PIECE: usize = 4096;

/// A guest that answers with `body`: plain ASCII without quotes and backslashes, at most [`PIECE`] bytes.
pub fn says(body: &str) -> String {
    says_times(body, 1)
}

/// A guest that answers with `body` written `times` times, each time on its own.
///
/// # Panics
/// When `body` cannot stand in a text guest, or the example it is made from has changed.
pub fn says_times(body: &str, times: usize) -> String {
    assert!(body.len() <= PIECE && body.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte)));
    for part in [SAYS, WRITE] {
        assert_eq!(HELLO.matches(part).count(), 1, "hello.wat has changed: {part}");
    }
    let length = LENGTH.replace("20", &body.len().to_string());
    let write = WRITE.replace(LENGTH, &length);
    HELLO.replace(SAYS, body).replace(WRITE, &vec![write; times].join("\n    "))
}

/// A good guest with so many functions in it that compiling takes more memory than a compilation may have.
pub fn compile_bomb(body: &str) -> String {
    with_fields(body, &"(func)\n".repeat(900_000))
}

/// A good guest with these fields added to its module.
///
/// # Panics
/// See [`says_times`].
pub fn with_fields(body: &str, fields: &str) -> String {
    let mut text = says(body);
    let end = text.rfind(')').expect("a module ends with a parenthesis");
    text.insert_str(end, fields);
    text
}

/// A good guest that traps when an instance of it is made, three times out of four.
pub fn trap_at_random(body: &str) -> String {
    let import = "(import \"wasi:random/random@0.2.12\" \"get-random-u64\" (func $random (result i64)))";
    let start = "(start $toss) (func $toss (if (i64.ne (i64.and (call $random) (i64.const 3)) (i64.const 0)) (then unreachable)))";
    with_fields(body, start).replacen("(module\n", &format!("(module\n  {import}\n"), 1)
}

/// A guest that answers with `body` and these headers: each by its name and value, at most 32 and 64 bytes, in the
/// head, or in the trailers.
///
/// # Panics
/// See [`says_times`].
pub fn with_header_lines(body: &str, head: &[(&str, &str)], trailers: &[(&str, &str)]) -> String {
    let mut data = String::new();
    let mut at = 4096;
    let mut append = |fields: &str, (name, value): &(&str, &str)| {
        let _ = writeln!(data, "(data (i32.const {at}) \"{name}\") (data (i32.const {}) \"{value}\")", at + 32);
        let call = format!(
            "(call $append (local.get {fields}) (i32.const {at}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 0))",
            name.len(),
            at + 32,
            value.len()
        );
        at += 96;
        call
    };
    let head: Vec<_> = head.iter().map(|line| append("$fields", line)).collect();
    let trailing: Vec<_> = trailers.iter().map(|line| append("$trailers", line)).collect();
    let made = "(local.set $response (call $new-response";
    let finish = "(call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))";
    let mut text = says(body).replace(made, &format!("{}\n    {made}", head.join("\n    ")));
    assert!(text.contains(finish), "hello.wat has changed: {finish}");
    if !trailers.is_empty() {
        let with = format!(
            "(local.set $trailers (call $new-fields))\n    {}\n    \
             (call $finish (local.get $body) (i32.const 1) (local.get $trailers) (i32.const 0))",
            trailing.join("\n    ")
        );
        text = text.replace(finish, &with).replace("(local $stream i32)", "(local $stream i32) (local $trailers i32)");
    }
    let end = text.rfind(')').expect("a module ends with a parenthesis");
    text.insert_str(end, &data);
    text
}

/// Writes a plugin's folder: the manifest with these lines after its head, and the guest.
///
/// # Errors
/// When the disk fails.
pub fn write(dir: &Path, name: &str, lines: &str, guest: &str) -> io::Result<()> {
    let folder = dir.join(name);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(FILE), guest)?;
    fs::write(folder.join("plugin.toml"), manifest(name, lines))
}

/// The guest's file in the folder that [`write()`] makes.
pub const FILE: &str = "guest.wat";

/// The manifest that [`write()`] writes: io lane, the route `/NAME`, then these lines.
pub fn manifest(name: &str, lines: &str) -> String {
    let mut text = format!("manifest = 1\nname = \"{name}\"\nversion = \"1\"\ncomponent = \"{FILE}\"\nlane = \"io\"\n");
    let _ = write!(text, "[[route]]\npath = \"/{name}\"\n{lines}\n");
    text
}
