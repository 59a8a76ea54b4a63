//! A CGI command (RFC 3875) for tests: the last segment of `PATH_INFO` names what it does.
//!
//! Well-behaved: `hello`, `echo`, `sink`, `env`, `status?code=`, `location?to=`, `wait?ms=`, `spin[?ms=]`, `burn?n=`,
//! `big?mib=`, `stderr`, `length`, `length-then-wait?ms=`, `exit?code=`, `alloc?mib=`, `pages?mib=`,
//! `grow`, `recurse?n=`, `print?long=`, `sse?n=&ms=`. Ill-behaved: `no-type`,
//! `no-output`, `malformed`, `status-twice`, `long-head`, `nph`, `short-body`, `trap`, `trap-late`, `file`.

use std::{
    env, fs,
    io::{self, Read, Write},
    process,
    time::{Duration, Instant},
};

use shared::{Target, busy, json};

fn main() {
    let path = env::var("PATH_INFO").unwrap_or_default();
    let query = env::var("QUERY_STRING").unwrap_or_default();
    // A write can fail only when the client has left.
    let _ = answer(&Target::new(&format!("{path}?{query}")));
}

fn answer(target: &Target) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match target.behaviour() {
        "" | "hello" => text(&mut out, "hello from cgi\n"),
        "echo" => echo(&mut out),
        "sink" => text(&mut out, &format!("{}\n", io::copy(&mut io::stdin(), &mut io::sink())?)),
        "env" => text(&mut out, &json::object(env::vars().map(|(name, value)| (name, json::string(&value))))),
        "status" => {
            write!(out, "Status: {} As Asked\r\nContent-Type: text/plain\r\n\r\n", target.number_or("code", 418))
        }
        "location" => {
            write!(out, "Location: {}\r\n\r\n", target.text("to").unwrap_or("http://elsewhere.example/".into()))
        }
        "wait" => {
            std::thread::sleep(Duration::from_millis(target.number_or("ms", 10)));
            text(&mut out, "waited\n")
        }
        "spin" => spin(target, &mut out),
        "burn" => text(&mut out, &format!("{:x}\n", busy::burn(target.number_or("n", 1_000_000)))),
        "big" => big(target, &mut out),
        "stderr" => {
            eprintln!("a line on stderr");
            text(&mut out, "complained\n")
        }
        "length" => write!(out, "Content-Type: text/plain\nContent-Length: 5\n\nexact"),
        "length-then-wait" => {
            write!(out, "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nexact")?;
            // With the last byte the host may close the stream: that is no reason not to go on.
            let _ = out.flush();
            std::thread::sleep(Duration::from_millis(target.number_or("ms", 10)));
            eprintln!("work after the response is done");
            Ok(())
        }
        "sse" => {
            write!(out, "Content-Type: text/event-stream\r\n\r\n")?;
            (0..target.number_or("n", 10)).try_for_each(|i| {
                write!(out, "data: {i}\n\n")?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(target.number_or("ms", 10)));
                Ok(())
            })
        }
        "read" => text(&mut out, &shared::files::read(&target)),
        "list" => text(&mut out, &shared::files::list(&target)),
        "change" => text(&mut out, &shared::files::change(&target)),
        "grow" => text(&mut out, &format!("{}\n", shared::reach::grow())),
        "recurse" => text(&mut out, &format!("{:x}\n", busy::recurse(target.number_or("n", u64::MAX)))),
        "print" => {
            eprintln!("{}", "x".repeat(target.number_or("long", 100_000) as usize));
            text(&mut out, "printed\n")
        }
        "exit" => {
            text(&mut out, "leaving\n")?;
            out.flush()?;
            process::exit(target.number_or("code", 3) as i32)
        }
        // Holds what it has written to until its client ends the body.
        "pages" => {
            let mib = target.number_or("mib", 8);
            assert!(busy::touch_pages(mib as usize), "the host gave no {mib} MiB");
            echo(&mut out)
        }
        "alloc" => {
            std::hint::black_box(vec![1_u8; target.number_or("mib", 64) as usize * (1 << 20)]);
            text(&mut out, "allocated\n")
        }
        ill => misbehave(ill, &mut out),
    }
}

fn misbehave(behaviour: &str, out: &mut impl Write) -> io::Result<()> {
    match behaviour {
        "no-type" => write!(out, "X-Other: header\r\n\r\nbody without a type\n"),
        "no-output" => Ok(()),
        "malformed" => write!(out, "this is no header\r\n\r\nbody\n"),
        "status-twice" => write!(out, "Status: 200\r\nStatus: 404\r\nContent-Type: text/plain\r\n\r\nwhich\n"),
        "long-head" => {
            write!(out, "Content-Type: text/plain\r\n")?;
            (0..100_000).try_for_each(|i| write!(out, "X-{i}: {i}\r\n"))?;
            write!(out, "\r\nlate\n")
        }
        "nph" => write!(out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nraw\n"),
        "short-body" => write!(out, "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nshort\n"),
        "trap" => process::abort(),
        "trap-late" => {
            text(out, "begun\n")?;
            out.flush()?;
            process::abort()
        }
        "file" => {
            let read = fs::read_to_string("/etc/hostname").unwrap_or_else(|error| format!("error: {error}"));
            text(out, &format!("{read}\n"))
        }
        _ => write!(out, "Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such behaviour\n"),
    }
}

fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    write!(out, "Content-Type: text/plain; charset=utf-8\r\n\r\n{text}")
}

fn echo(out: &mut impl Write) -> io::Result<()> {
    let content_type = env::var("CONTENT_TYPE").unwrap_or("application/octet-stream".into());
    write!(out, "Content-Type: {content_type}\r\n\r\n")?;
    let (mut buffer, mut stdin) = (vec![0; 64 << 10], io::stdin().lock());
    loop {
        match stdin.read(&mut buffer)? {
            0 => return out.flush(),
            read => out.write_all(&buffer[..read])?,
        }
    }
}

fn spin(target: &Target, out: &mut impl Write) -> io::Result<()> {
    let Some(ms) = target.number("ms") else { busy::for_ever() };
    let start = Instant::now();
    let steps = busy::spin(|| start.elapsed().as_nanos() as u64, ms * 1_000_000);
    text(out, &format!("spun {steps} steps\n"))
}

fn big(target: &Target, out: &mut impl Write) -> io::Result<()> {
    write!(out, "Content-Type: application/octet-stream\r\n\r\n")?;
    let chunk = shared::pattern(0, 64 << 10);
    (0..target.number_or("mib", 1) * 16).try_for_each(|_| out.write_all(&chunk))
}
