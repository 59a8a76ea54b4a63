//! A component may import what this host does not have: it serves, `check` and `status` name it, and a call says so.

use tempfile::TempDir;
use wasmbay_tests::{
    house::{House, Plugin},
    serving::run,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_and_never_called_does_no_harm() {
    let house = House::serve(&[Plugin::new("p", "io", "unknown-import-component.wat")]).await;
    // It serves: without the import it answers as it does with it.
    assert_eq!(house.get("/p/").await.problem()["code"], "bad-response");
    let notes = &house.host.behind().registry().status().plugins[0].notes;
    let expected =
        "it imports example:nowhere/nothing@1.0.0, which this host does not have: a call there ends its request";
    assert!(notes.iter().any(|note| note == expected), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_what_is_absent_ends_its_request_and_names_it() {
    let house = House::serve(&[Plugin::new("p", "io", "absent-import.wat"), Plugin::new("q", "io", "hello.wat")]).await;
    for _ in 0..2 {
        let answer = house.get("/p/").await;
        let problem = answer.problem();
        assert_eq!((answer.status.as_u16(), &problem["code"]), (500, &"trap".into()));
        let detail = "The plugin called example:nowhere/nothing@1.0.0#nothing, which this host does not have.";
        assert_eq!(problem["detail"], detail, "{problem}");
        assert_eq!(problem["remedy"], "build it without what calls this, or serve it on a host that has it");
    }
    assert_eq!(house.get("/q/").await.status, 200);
}

#[tokio::test]
async fn check_names_it() -> anyhow::Result<()> {
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    Plugin::new("p", "compute", "absent-import.wat").write(dir.path())?;
    let (code, report) = run(&["check", &dir.path().to_string_lossy(), "--data", &data.path().to_string_lossy()]).await;
    assert_eq!(code, Some(0), "{report}");
    assert!(
        report.contains("note   ") && report.contains("it imports example:nowhere/nothing@1.0.0, which"),
        "{report}"
    );
    Ok(())
}
