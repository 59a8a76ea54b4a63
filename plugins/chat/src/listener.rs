//! A listener of the old school: it asks back with the speaker's own words, turned round.

/// How a remark begins, and what is asked about the rest of it; `*` stands for the rest.
const ASKED: &[(&str, &[&str])] = &[
    ("i need ", &["Why do you need *?", "Would it help you to have *?"]),
    ("i am ", &["How long have you been *?", "What is it like to be *?"]),
    ("i'm ", &["How long have you been *?", "Do you enjoy being *?"]),
    ("i feel ", &["When do you feel *?", "Does anybody else know that you feel *?"]),
    ("i want ", &["What would it mean to have *?", "Who keeps you from *?"]),
    ("i can't ", &["What would happen if you could *?", "When could you last *?"]),
    ("i think ", &["What makes you think *?", "Do you doubt that *?"]),
    ("because ", &["Is that the only reason?", "What else would follow from that?"]),
    ("why ", &["Why do you think *?", "What would an answer change?"]),
    ("my ", &["Tell me more about your *.", "What does your * mean to you?"]),
    ("you ", &["We were talking about you, not about me.", "What if I really *?"]),
    ("hello", &["Hello. What is on your mind?"]),
    ("yes", &["You seem quite sure.", "I see. And then?"]),
    ("no", &["Why not?", "You say no. Is it ever yes?"]),
];

/// What is said when nothing else comes to mind.
const OTHERWISE: &[&str] =
    &["Please go on.", "What does that suggest to you?", "How do you feel about that?", "I see."];

/// Words that change with who says them.
const TURNED: &[(&str, &str)] = &[
    ("i", "you"),
    ("me", "you"),
    ("my", "your"),
    ("mine", "yours"),
    ("am", "are"),
    ("i'm", "you are"),
    ("you", "I"),
    ("your", "my"),
    ("yours", "mine"),
    ("myself", "yourself"),
];

/// What is answered to the last remark, after `before` others: the same is not asked twice in a row.
pub(crate) fn answer(remark: &str, before: usize) -> String {
    let plain = remark.trim().trim_end_matches(['.', '!', '?', ' ']);
    let lower = plain.to_lowercase();
    let found = ASKED.iter().find_map(|(begins, answers)| {
        let rest = lower.strip_prefix(begins)?;
        let whole_words = begins.ends_with(' ') || !rest.starts_with(char::is_alphanumeric);
        whole_words.then_some((rest, *answers))
    });
    let (rest, answers) = found.unwrap_or(("", OTHERWISE));
    answers[before % answers.len()].replace('*', &turned(rest))
}

fn turned(words: &str) -> String {
    let turn = |word| TURNED.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| *to);
    words.split_whitespace().map(turn).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_back_with_the_speakers_words_turned_round() {
        assert_eq!(answer("I need my tea!", 0), "Why do you need your tea?");
        assert_eq!(answer("I need my tea!", 1), "Would it help you to have your tea?");
        assert_eq!(answer("My neighbour hates me.", 0), "Tell me more about your neighbour hates you.");
        assert_eq!(answer("Rain.", 0), "Please go on.");
        assert_eq!((answer("No.", 0), answer("Nothing.", 0)), ("Why not?".to_owned(), "Please go on.".to_owned()));
        assert_eq!(answer("", 3), "I see.");
    }
}
