//! Statements and values as a query names them.

/// What a query's `q` holds: statements, with `;;` between them.
pub fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";;").map(str::trim).filter(|statement| !statement.is_empty())
}

/// One parameter as a query's `p` names it.
pub enum Parameter {
    /// `n`
    Null,
    /// `i:1`
    Integer(i64),
    /// `r:0.5`
    Real(f64),
    /// `t:text`
    Text(String),
    /// `b:` and bytes, each as two hexadecimal digits
    Blob(Vec<u8>),
}

/// What a query's `p` holds: parameters, with commas between them.
pub fn parameters(text: &str) -> Vec<Parameter> {
    let one = |text: &str| {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "i" => Parameter::Integer(value.parse().expect("a whole number")),
            "r" => Parameter::Real(value.parse().expect("a number")),
            "t" => Parameter::Text(value.to_owned()),
            "b" => Parameter::Blob(bytes(value)),
            _ => Parameter::Null,
        }
    };
    text.split(',').filter(|text| !text.is_empty()).map(one).collect()
}

/// One parameter of a server that tells more types apart, as a query's `p` names it.
pub enum Typed {
    /// `n`
    Null,
    /// `z:true`
    Boolean(bool),
    /// `i:-1`
    Signed(i64),
    /// `u:1`
    Unsigned(u64),
    /// `r:0.5`
    Real(f64),
    /// `t:text`
    Text(String),
    /// `b:` and bytes, each as two hexadecimal digits
    Bytes(Vec<u8>),
}

/// The same as [`parameters`] with those.
pub fn typed(text: &str) -> Vec<Typed> {
    let one = |text: &str| match text.split_once(':') {
        Some(("z", value)) => Typed::Boolean(value == "true"),
        Some(("i", value)) => Typed::Signed(value.parse().expect("a whole number")),
        Some(("u", value)) => Typed::Unsigned(value.parse().expect("a whole number")),
        Some(("r", value)) => Typed::Real(value.parse().expect("a number")),
        Some(("t", value)) => Typed::Text(value.to_owned()),
        Some(("b", value)) => Typed::Bytes(bytes(value)),
        _ => Typed::Null,
    };
    text.split(',').filter(|text| !text.is_empty()).map(one).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("two hexadecimal digits");
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// Bytes as [`Parameter::Blob`] has them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A result as text: the columns' names, then the rows, each on a line of its own.
pub fn table<'a>(columns: &[String], rows: impl Iterator<Item = Vec<String>> + 'a) -> String {
    let head = columns.join("|");
    std::iter::once(head).chain(rows.map(|row| row.join("|"))).collect::<Vec<_>>().join("\n")
}
