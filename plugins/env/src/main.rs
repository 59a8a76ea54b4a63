//! Shows what a CGI command is told: its environment, and how many bytes of body came on stdin.
//!
//! A CGI command (RFC 3875) is an ordinary program: it reads variables and stdin, and writes headers, an empty line and
//! a body to stdout. What it writes to stderr goes to the host's log.

use std::{
    env,
    io::{self, Write},
};

fn main() -> io::Result<()> {
    let body_bytes = io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    let mut variables: Vec<_> = env::vars_os().collect();
    variables.sort();

    let mut out = io::stdout().lock();
    write!(out, "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")?;
    for (name, value) in &variables {
        writeln!(out, "{}={}", name.to_string_lossy(), value.to_string_lossy())?;
    }
    writeln!(out, "\nbody: {body_bytes} bytes")
}
