//! The child's side: walls first, then read, compile, write.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use super::{
    super::revision::MAX_COMPONENT,
    BROKEN, Order, REFUSED,
    walls::{self, Walls},
};
use crate::guest;

/// The whole life of `EXE compile ARGS…`. To be called before any thread is started and anything is read or opened.
///
/// `args` are the words after the command's name, as the parent wrote them; nobody else has a use for this command.
pub fn child_main(args: &[String]) -> ExitCode {
    let Some(order) = Order::from_args(args) else {
        return complain(BROKEN, "this command is the host's own: `wasmbay check` compiles for people");
    };
    let walls = Walls { address_space: order.address_space, cpu_seconds: order.cpu_seconds };
    if let Err(error) = walls::raise(&walls) {
        return complain(BROKEN, &format!("the compiler could not limit itself: {error}"));
    }
    let mut bytes = Vec::new();
    match io::stdin().lock().take(MAX_COMPONENT + 1).read_to_end(&mut bytes) {
        Err(error) => return complain(BROKEN, &format!("the component did not arrive: {error}")),
        Ok(length) if length as u64 > MAX_COMPONENT => {
            return complain(REFUSED, &format!("the component is larger than {MAX_COMPONENT} bytes"));
        }
        Ok(_) => {}
    }
    match guest::compile(&order.engine, order.lane, &order.file, &bytes) {
        Err(error) => complain(REFUSED, &format!("{error:#}")),
        Ok(artefact) => match io::stdout().lock().write_all(&artefact) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(BROKEN, &format!("nobody took the compiled code: {error}")),
        },
    }
}

fn complain(code: u8, why: &str) -> ExitCode {
    // Where even this fails there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}
