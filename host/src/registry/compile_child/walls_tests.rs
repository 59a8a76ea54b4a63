//! The walls from inside: this test binary starts itself again, walls itself in and tries to get out.

use std::{fs, net::UdpSocket, process::Command, thread};

use super::*;

const PROBE: &str = "WASMBAY_TEST_INSIDE_THE_WALLS";

fn inside(walls: Walls, what: &str) -> (Option<i32>, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "registry::compile_child::walls::tests::probe", "--ignored", "--nocapture"])
        .env(PROBE, format!("{} {} {what}", walls.address_space, walls.cpu_seconds))
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.signal(), text)
}

/// Runs only in the process that [`inside`] starts.
#[test]
#[ignore = "runs inside walls it raises itself; the other tests start it"]
fn probe() {
    let Ok(order) = std::env::var(PROBE) else { return };
    let words: Vec<&str> = order.split(' ').collect();
    let walls = Walls { address_space: words[0].parse().unwrap(), cpu_seconds: words[1].parse().unwrap() };
    let parent = rustix::process::getppid().unwrap();
    raise(&walls).unwrap();
    match words[2] {
        "escape" => escape(parent),
        "spin" => loop {
            std::hint::black_box(0);
        },
        "grow" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1_u8; 1 << 24]);
            }
        }
        other => panic!("unknown probe {other}"),
    }
}

fn escape(parent: rustix::process::Pid) {
    let denied = |what: &str, outcome: std::io::Result<()>| {
        println!("{what}: {}", outcome.err().and_then(|error| error.raw_os_error()).unwrap_or(0));
    };
    denied("read", fs::read("/etc/hostname").map(drop));
    denied("write", fs::write("/tmp/wasmbay-walls", "x"));
    denied("socket", UdpSocket::bind("127.0.0.1:0").map(drop));
    denied("exec", Command::new("/bin/true").status().map(drop));
    denied("signal", rustix::process::kill_process(parent, rustix::process::Signal::TERM).map_err(Into::into));
    let sum: u32 = (0..4).map(|value| thread::spawn(move || value)).map(|thread| thread.join().unwrap()).sum();
    println!("threads: {sum}");
}

const ROOMY: Walls = Walls { address_space: 4 << 30, cpu_seconds: 60 };

#[test]
fn nothing_is_opened_connected_executed_or_signalled_and_threads_work() {
    let (signal, text) = inside(ROOMY, "escape");
    assert_eq!(signal, None, "{text}");
    for what in ["read", "write", "socket", "exec", "signal"] {
        assert!(text.contains(&format!("{what}: {}\n", libc::EPERM)), "{what} in:\n{text}");
    }
    assert!(text.contains("threads: 6\n"), "{text}");
}

#[test]
fn cpu_time_ends_the_child_with_the_signal_that_says_so() {
    let (signal, text) = inside(Walls { cpu_seconds: 1, ..ROOMY }, "spin");
    assert_eq!(signal, Some(libc::SIGXCPU), "{text}");
}

#[test]
fn address_space_ends_the_child_with_words_that_say_so() {
    let (signal, text) = inside(Walls { address_space: 1 << 30, ..ROOMY }, "grow");
    assert_eq!(signal, Some(libc::SIGABRT), "{text}");
    assert!(text.contains("memory allocation of"), "{text}");
}
