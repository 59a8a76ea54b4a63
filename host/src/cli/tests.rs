//! What may be typed, and what status prints.

use clap::CommandFactory;

use super::{
    status::{Shown, table},
    *,
};

fn parsed(line: &str) -> Result<Command, Exit> {
    parse(line.split(' ').map(OsString::from))
}

#[test]
fn the_commands_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_usage_exits_64_and_help_exits_0() {
    assert_eq!(parsed("wasmbay").err(), Some(Exit::Usage));
    assert_eq!(parsed("wasmbay serve").err(), Some(Exit::Usage));
    assert_eq!(parsed("wasmbay serve d --lissten x").err(), Some(Exit::Usage));
    assert_eq!(parsed("wasmbay --version").err(), Some(Exit::Ok));
    assert_eq!(parsed("wasmbay serve --help").err(), Some(Exit::Ok));
}

#[test]
fn a_switch_may_be_turned_off_without_eating_the_folder() {
    for (line, expected) in [
        ("wasmbay serve d", None),
        ("wasmbay serve --wasi-http-03 d", Some("true")),
        ("wasmbay serve --wasi-http-03=false d", Some("false")),
    ] {
        let Ok(Command::Serve(args)) = parsed(line) else { panic!("{line}") };
        assert_eq!((args.options.wasi_http_03.as_deref(), args.dir), (expected, PathBuf::from("d")), "{line}");
    }
}

#[test]
fn flags_stand_over_variables_and_every_fault_is_told() {
    let Ok(Command::Serve(args)) = parsed("wasmbay serve d --listen 127.0.0.1:1 --drain soon") else { panic!() };
    let env = |name: &str| (name == "WASMBAY_COMPUTE_NICE").then(|| "99".to_owned());
    let empty = tempfile::tempdir().unwrap();
    let faults = args.options.settings(&env, empty.path()).unwrap_err();
    let text: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 2, "{text:?}");
    assert!(text.iter().any(|fault| fault.contains("--drain")), "{text:?}");
    assert!(text.iter().any(|fault| fault.contains("WASMBAY_COMPUTE_NICE")), "{text:?}");
}

#[test]
fn the_compile_child_gets_its_words_as_they_are() {
    let Ok(Command::Compile { words }) = parsed("wasmbay compile --x=1 a -b") else { panic!() };
    assert_eq!(words, ["--x=1", "a", "-b"]);
}

#[test]
fn status_is_a_table_with_reasons_below() {
    let shown: Shown = serde_json::from_value(serde_json::json!({
        "ready": true, "generation": 1, "faults": [], "wasi_http_03": false, "new": 1,
        "plugins": [
            { "tenant": "default", "name": "hello", "folder": "hello", "state": "live", "faults": [], "notes": [],
              "live": { "version": "1", "digest": "0123456789abcdef", "lane": "io", "kind": "wasi:http 0.2",
                        "routes": ["GET /hello", "GET /hi"] } },
            { "tenant": "default", "name": "bad", "folder": "bad", "state": "refused", "live": null,
              "faults": ["no lane"], "notes": [] },
        ],
    }))
    .unwrap();
    let expected = "\
PLUGIN         STATE    LANE  KIND           REVISION      ROUTES
default/hello  live     io    wasi:http 0.2  0123456789ab  GET /hello GET /hi
default/bad    refused  -     -              -             -

default/bad refused: no lane

ready; wasi:http 0.3 is off
";
    assert_eq!(table(&shown), expected);
}
