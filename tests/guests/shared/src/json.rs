//! JSON text by hand: enough for the replies of test guests, without a dependency to compile.

/// A JSON string, quoted and escaped.
pub fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A JSON object of values that are JSON already.
pub fn object<K: AsRef<str>>(members: impl IntoIterator<Item = (K, String)>) -> String {
    let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{}:{value}", string(key.as_ref()))).collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON array of values that are JSON already.
pub fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

/// Header fields as an array of `[name, value]` pairs, so that repeated names and their order survive.
pub fn fields<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    array(entries.into_iter().map(|(name, value)| array([string(name), string(&String::from_utf8_lossy(value))])))
}
