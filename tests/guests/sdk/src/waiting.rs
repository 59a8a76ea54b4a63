//! Handlers that wait: for time, or for another plugin.

use wasmbay_sdk::prelude::*;

#[derive(Deserialize)]
pub(crate) struct Pace {
    count: u32,
    ms: u64,
}

#[get("/{plugin}/events")]
pub(crate) async fn events(Query(pace): Query<Pace>) -> Sse {
    Sse::new(async move |events| {
        for number in 0..pace.count {
            events.send(Event::new(format!("event {number}")).id(number.to_string())).await;
            sleep(Duration::from_millis(pace.ms)).await;
        }
        Ok(())
    })
}

#[get("/{plugin}/breaks")]
pub(crate) async fn breaks() -> Body {
    Body::writer(async |out| {
        out.write("the beginning").await;
        Err(Problem::conflict("no end").into())
    })
}

#[get("/{plugin}/after/{callee}")]
pub(crate) async fn after(Path((_, callee)): Path<(String, String)>) -> &'static str {
    spawn_after_response(async move {
        sleep(Duration::from_millis(5)).await;
        let ask =
            async || -> Result<String> { call_plugin(&callee, format!("/{callee}/items/1")).await?.ok()?.text().await };
        match ask().await {
            Ok(text) => log::info!("after the response: {text}"),
            Err(error) => log::error!("after the response: {error}"),
        }
    });
    "answered"
}

#[get("/{plugin}/call/{callee}")]
pub(crate) async fn call(Path((_, callee)): Path<(String, String)>) -> Result<Response> {
    let request = Request::post(format!("http://ignored/{callee}/items"));
    let request = request.json(&serde_json::json!({ "name": "lamp", "price": 3 }))?;
    Ok(call_plugin(&callee, request).await?)
}

#[get("/{plugin}/both/{callee}")]
pub(crate) async fn both(Path((_, callee)): Path<(String, String)>) -> Result<String> {
    let ask = async |id: u8| -> Result<String> {
        Ok(call_plugin(&callee, format!("/{callee}/items/{id}")).await?.ok()?.text().await?)
    };
    let (one, two) = try_join(ask(1), ask(2)).await?;
    Ok(format!("{one}{two}"))
}
