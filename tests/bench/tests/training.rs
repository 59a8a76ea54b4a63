//! What is shipped is laid out by these requests, so each of them is answered: here by a host that counts nothing.

use std::process::Command;

#[test]
fn every_kind_of_request_is_answered() {
    let host = std::env::var_os("WASMBAY_BIN").expect("WASMBAY_BIN is not set: eval \"$(cargo xtask guests)\"");
    let mut train = Command::new(env!("CARGO_BIN_EXE_wasmbay-bench"));
    let output = train.arg("train").arg("--counting").arg(&host).args(["--seconds", "0.05"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    for kind in ["text: hello of hello.wat", "calls: call?url=", "shared: hello of http03.wasm"] {
        assert!(told.contains(kind), "{kind} is missing from:\n{told}");
    }
}
