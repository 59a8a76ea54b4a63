//! Manifests that are made to be hard to read.

/// name, text, and what the refusal says.
pub fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let manifest = "manifest = 1\nname = \"p\"\nversion = \"1.0.0\"\ncomponent = \"p.wat\"\nlane = \"io\"\n";
    let keys = |count: u32| -> String { (0..count).map(|n| format!("k{n} = 1\n")).collect() };
    vec![
        ("deep", format!("x = {}", "[".repeat(1000)), "recur"),
        ("deeper", format!("x = {}", "[".repeat(65_000)), "recur"),
        ("deepest", format!("x = {}", "[".repeat(200_000)), "the host takes at most"),
        ("dotted", format!("{}z = 1", "a.".repeat(30_000)), "plugin.toml"),
        ("keys", keys(1_000_000), "the host takes at most"),
        ("fewer-keys", manifest.to_owned() + &keys(2000), "k1999"),
        ("string", format!("name = \"{}\"", "x".repeat(10 << 20)), "the host takes at most"),
        ("twice", "name = \"p\"\nname = \"q\"\n".to_owned(), "duplicate"),
        // A Cyrillic letter that looks like the Latin one.
        ("confusable", manifest.replace("lane", "l\u{430}ne"), "not TOML"),
    ]
}
