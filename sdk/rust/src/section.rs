//! The custom section `wasmbay`: what the plugin says of itself to `wasmbay check`, as one JSON object.

use crate::Lane;

/// The interface that the plugin exports.
#[cfg(feature = "wasi03")]
macro_rules! kind {
    () => {
        "wasi:http 0.3"
    };
}
#[cfg(not(feature = "wasi03"))]
macro_rules! kind {
    () => {
        "wasi:http 0.2"
    };
}

macro_rules! text {
    ($lane:literal) => {
        concat!(
            r#"{"sdk":"rust","version":""#,
            env!("CARGO_PKG_VERSION"),
            // The contract is `sdk/contract/`.
            r#"","contract":1,"lane":""#,
            $lane,
            r#"","kind":""#,
            kind!(),
            r#""}"#
        )
    };
}

const fn of(lane: Lane) -> &'static [u8] {
    match lane {
        Lane::Io => text!("io").as_bytes(),
        Lane::Compute => text!("compute").as_bytes(),
    }
}

/// How long the section of a plugin of this lane is.
pub const fn length(lane: Lane) -> usize {
    of(lane).len()
}

/// The section of a plugin of this lane; `N` is its length.
pub const fn section<const N: usize>(lane: Lane) -> [u8; N] {
    let text = of(lane);
    let mut section = [0; N];
    let mut at = 0;
    while at < N {
        section[at] = text[at];
        at += 1;
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_json_with_lane_kind_and_version() {
        const SECTION: [u8; length(Lane::Compute)] = section(Lane::Compute);
        let said: serde_json::Value = serde_json::from_slice(&SECTION).unwrap();
        assert_eq!(said["lane"], "compute");
        assert_eq!((&said["sdk"], &said["version"]), (&"rust".into(), &env!("CARGO_PKG_VERSION").into()));
        assert!(said["kind"].as_str().unwrap().starts_with("wasi:http 0."));
    }
}
