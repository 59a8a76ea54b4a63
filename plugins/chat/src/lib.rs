//! A talk, word by word: what is said so far comes in, and the answer goes out as server-sent events while it is being made.

mod listener;

use wasmbay_sdk::prelude::*;

/// Between two words.
const PACE: Duration = Duration::from_millis(60);

/// The most of a talk that is read, in messages.
const LONGEST: usize = 200;

#[derive(Deserialize)]
struct Talk {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: Role,
    content: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

/// A piece of the answer.
#[derive(Serialize)]
struct Delta<'a> {
    delta: &'a str,
}

#[get("/chat")]
async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

#[post("/chat")]
async fn reply(Json(talk): Json<Talk>) -> Result<Sse> {
    if talk.messages.len() > LONGEST {
        return Err(Problem::unprocessable(format!("a talk has at most {LONGEST} messages")).into());
    }
    let mut said = talk.messages.iter().filter(|message| message.role == Role::User);
    let Some(last) = said.next_back() else {
        return Err(Problem::unprocessable("nobody has said anything yet").into());
    };
    let answer = listener::answer(&last.content, said.count());
    Ok(Sse::new(async move |events| {
        for (index, delta) in answer.split_inclusive(' ').enumerate() {
            if index > 0 {
                sleep(PACE).await;
            }
            events.send(Event::json(&Delta { delta })?).await;
        }
        events.send(Event::new("").name("done")).await;
        Ok(())
    }))
}

routes!(page, reply);

#[cfg(test)]
mod tests {
    use wasmbay_sdk::testing::Client;

    use super::*;

    fn say(messages: serde_json::Value) -> wasmbay_sdk::testing::Answer {
        Client::new(PLUGIN).post_json("/chat", &serde_json::json!({ "messages": messages }))
    }

    #[test]
    fn words_come_one_by_one() {
        let answer = say(serde_json::json!([{ "role": "user", "content": "I need my tea" }]));
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let text = answer.text();
        assert!(text.starts_with("data: {\"delta\":\"Why \"}\n\ndata: {\"delta\":\"do \"}\n\n"), "{text}");
        assert!(text.ends_with("data: {\"delta\":\"tea?\"}\n\nevent: done\ndata: \n\n"), "{text}");
        assert_eq!(answer.took(), PACE * 5);
    }

    #[test]
    fn a_talk_without_a_user_is_refused() {
        assert_eq!(say(serde_json::json!([])).status(), 422);
        assert_eq!(say(serde_json::json!([{ "role": "nobody", "content": "" }])).status(), 422);
    }
}
