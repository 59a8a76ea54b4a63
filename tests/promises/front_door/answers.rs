//! The shape of answers.

use http::{Request, StatusCode};
use wasmbay::{failure::TABLE, server::Limits};
use wasmbay_tests::client::{Protocol, empty, full};

use super::Door;

#[tokio::test]
async fn a_connection_is_kept_and_each_request_has_its_own_id() -> anyhow::Result<()> {
    for protocol in Protocol::BOTH {
        let door = Door::open().await;
        let mut connection = door.connect(protocol).await;
        let mut ids = std::collections::HashSet::new();
        for _ in 0..20 {
            let answer = connection.get("/hello").await?;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello"));
            ids.insert(answer.headers["wasmbay-request-id"].clone());
        }
        assert_eq!(ids.len(), 20);
        door.shows(r#"wasmbay_connections_accepted_total{listener="public"} 1"#).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_cannot_choose_its_id() -> anyhow::Result<()> {
    let door = Door::open().await;
    let request = Request::get("/hello").header("wasmbay-request-id", "0".repeat(26)).body(empty())?;
    let answer = door.connect(Protocol::Http1).await.send(request).await?;
    assert_ne!(answer.headers["wasmbay-request-id"], "0".repeat(26));
    Ok(())
}

#[tokio::test]
async fn every_failure_is_a_problem_with_its_status_and_remedy() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        let mut connection = door.connect(protocol).await;
        for row in TABLE.iter().filter(|row| row.status != 499) {
            let answer = connection.get(&format!("/fail/{}", row.name)).await?;
            assert_eq!(answer.status, row.status, "{}", row.name);
            let problem = answer.problem();
            assert_eq!(problem["code"], row.name);
            assert_eq!(problem["remedy"].as_str(), row.remedy);
            assert_eq!(answer.headers.contains_key("retry-after"), row.status == 503, "{}", row.name);
            assert!(!answer.text().contains("the secret cause"), "{}", answer.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_cause_is_told_in_dev_mode_alone() -> anyhow::Result<()> {
    let door = Door::with(Limits::default(), true).await;
    let answer = door.connect(Protocol::Http1).await.get("/fail/trap").await?;
    assert_eq!(answer.problem()["inside"], "the secret cause");
    Ok(())
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() -> anyhow::Result<()> {
    let door = Door::open().await;
    let answer = door.connect(Protocol::Http1).await.get("/fail/method-not-allowed").await?;
    assert_eq!(answer.headers["allow"], "GET, HEAD, PUT");
    Ok(())
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        let mut connection = door.connect(protocol).await;
        for (path, status, length) in [("/hello", 200, Some("5")), ("/fail/trap", 500, None), ("/flood", 200, None)] {
            let answer = connection.send(Request::head(path).body(empty())?).await?;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{path}");
            if let Some(length) = length {
                assert_eq!(answer.headers["content-length"], length, "{path}");
            }
        }
        // The connection is still in step.
        assert_eq!(connection.get("/hello").await?.text(), "hello");
    }
    Ok(())
}

#[tokio::test]
async fn a_panic_costs_one_request_and_is_counted() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        let mut connection = door.connect(protocol).await;
        let answer = connection.get("/panic").await?;
        assert_eq!((answer.status.as_u16(), &answer.problem()["code"]), (500, &"host-panic".into()));
        assert_eq!(connection.get("/hello").await?.text(), "hello");
    }
    door.shows("wasmbay_panics_total 2").await;
    Ok(())
}

#[tokio::test]
async fn what_is_routed_is_what_the_plugin_sees() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        let mut connection = door.connect(protocol).await;
        let request = Request::post("/x/../seen/%7e%2f/?q=a//b")
            .header("wasmbay-trigger", "job")
            .header("x-mine", "1")
            .body(full("body"))?;
        let answer = connection.send(request).await?;
        let seen = format!("POST http://{}/seen/~%2F/?q=a//b ", door.addr);
        let headers = answer.text().strip_prefix(&seen).unwrap_or_else(|| panic!("{}", answer.text()));
        let mut headers: Vec<_> = headers.split(',').collect();
        headers.sort_unstable();
        assert_eq!(headers, ["content-length", "host", "x-mine"]);
        assert_eq!(connection.get("/a//b").await?.problem()["code"], "bad-request");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_for_two_hosts_or_none_is_refused_and_the_connection_closed() -> anyhow::Result<()> {
    let door = Door::open().await;
    for head in [
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET http://b/hello HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nhost: a@b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ] {
        let mut raw = door.raw().await;
        raw.write(&head.repeat(2)).await;
        let answers = raw.rest().await?;
        assert!(answers.starts_with("HTTP/1.1 400 ") && answers.contains("\"bad-request\""), "{head}{answers}");
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{head}{answers}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_request_is_refused_counted_and_the_end_of_the_connection() -> anyhow::Result<()> {
    let door = Door::open().await;
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (head, status) in [
        ("GET /hello\r\n\r\n".to_owned(), "400"),
        ("GET /hello HTTP/1.1\r\nhost : a\r\n\r\n".to_owned(), "400"),
        ("GET /hello HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(), "400"),
        ("\x16\x03\x01\x02 is TLS".to_owned(), "400"),
        (format!("GET /hello HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431"),
    ] {
        let mut raw = door.raw().await;
        raw.write(&head).await;
        let answer = raw.rest().await?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head}: {answer}");
    }
    door.shows(r#"wasmbay_connections_cut_total{listener="public",reason="malformed"} 5"#).await;
    Ok(())
}

#[tokio::test]
async fn a_plugins_answer_is_made_fit_for_the_wire_or_refused() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        let mut connection = door.connect(protocol).await;
        for which in ["continue", "short", "twice", "words"] {
            let answer = connection.get(&format!("/answer/{which}")).await?;
            assert_eq!((answer.status.as_u16(), &answer.problem()["code"]), (502, &"bad-response".into()), "{which}");
        }
        let empty = connection.get("/answer/empty").await?;
        assert_eq!((empty.status.as_u16(), empty.body.len()), (204, 0));
        assert!(!empty.headers.contains_key("content-length"));
        let hops = connection.get("/answer/hops").await?;
        assert_eq!(hops.text(), "hello");
        for name in ["connection", "keep-alive", "transfer-encoding"] {
            assert!(!hops.headers.contains_key(name), "{name}");
        }
        assert_eq!(connection.get("/hello").await?.text(), "hello");
    }
    Ok(())
}
