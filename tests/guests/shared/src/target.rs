//! The request target: which behaviour is asked for, with which values.

/// A path and its query.
pub struct Target {
    path: String,
    query: String,
}

impl Target {
    /// Splits `path?query`.
    pub fn new(path_with_query: &str) -> Self {
        let (path, query) = path_with_query.split_once('?').unwrap_or((path_with_query, ""));
        Self { path: path.to_owned(), query: query.to_owned() }
    }

    /// The path as it arrived.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last segment of the path names the behaviour, so a guest works under any route.
    pub fn behaviour(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// A query value, percent-decoded.
    pub fn text(&self, key: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| decode(value))
    }

    /// A whole number from the query, if it is there and is one.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }

    /// A whole number from the query, else `default`.
    pub fn number_or(&self, key: &str, default: u64) -> u64 {
        self.number(key).unwrap_or(default)
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
