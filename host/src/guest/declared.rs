//! What a component says of itself in its custom section `wasmbay`, which SDKs write.

use serde::Deserialize;
use wasmparser::{Parser, Payload};

use super::plugin::Kind;
use crate::config::Lane;

/// The section's name, in the component or in a module inside it.
const SECTION: &str = "wasmbay";

/// The newest contract between host and guests that this host keeps: `sdk/contract/`.
const CONTRACT: u32 = 1;

/// A section is a hundred bytes; a larger one was not written by an SDK.
const MAX_SECTION: usize = 4 << 10;

/// A section's JSON object. Members that are not known come from later SDKs, and are passed over.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Declared {
    /// The SDK's name.
    sdk: String,
    /// The SDK's version.
    version: String,
    /// The contract that the SDK was written for.
    contract: u32,
    /// The lane that the author's code is written for.
    lane: String,
    /// The interface that the SDK exports, named as `status` names it.
    kind: String,
}

impl Declared {
    /// Reads a component's section. `None` for a component without one, for text, and for one that is composed of several
    /// which have it: what each says is not what the whole is. What is no section of an SDK's is none.
    pub fn read(component: &[u8]) -> Option<Self> {
        let mut found = None;
        for payload in Parser::new(0).parse_all(component) {
            let Ok(Payload::CustomSection(section)) = payload else {
                payload.ok()?;
                continue;
            };
            if section.name() == SECTION && section.data().len() <= MAX_SECTION {
                let several = found.replace(section.data()).is_some();
                if several {
                    return None;
                }
            }
        }
        serde_json::from_slice(found?).ok()
    }

    /// What the manifest's lane and this host disagree with, in words for the author. Begins with the manifest's key where
    /// there is one.
    pub fn unfit(&self, lane: Lane) -> Vec<String> {
        let (sdk, version) = (&self.sdk, &self.version);
        if self.contract > CONTRACT {
            let contract = self.contract;
            return vec![format!(
                "the component is built with the {sdk} SDK {version} for contract {contract}, and this host keeps {CONTRACT}: \
                 update the host, or build with an earlier SDK"
            )];
        }
        if self.lane == lane.name() {
            return Vec::new();
        }
        let (built, says) = (&self.lane, lane.name());
        vec![format!(
            "lane: the manifest says {says:?}, and the component's handlers are written for {built:?} ({sdk} SDK {version}); \
             write lane = {built:?}, or rewrite the handlers"
        )]
    }

    /// What the exports disagree with: a section that was taken over from another build.
    pub fn unlike(&self, kind: Kind) -> Option<String> {
        let found = kind.name();
        (self.kind != found).then(|| {
            let (said, sdk) = (&self.kind, &self.sdk);
            format!("the {sdk} SDK built it as {said}, and it exports {found}: build it anew")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with these custom sections, each byte of a length below 128.
    fn module(sections: &[&str]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for text in sections {
            let content = [&[7][..], SECTION.as_bytes(), text.as_bytes()].concat();
            module.push(0);
            module.extend([(content.len() & 0x7f) as u8 | 0x80, (content.len() >> 7) as u8]);
            module.extend(content);
        }
        module
    }

    const TEXT: &str = r#"{"sdk":"rust","version":"0.1.0","contract":1,"lane":"io","kind":"wasi:http 0.2"}"#;

    #[test]
    fn a_section_is_read_and_what_is_none_is_passed_over() {
        let declared = Declared::read(&module(&[TEXT])).unwrap();
        assert_eq!((declared.lane.as_str(), declared.kind.as_str()), ("io", "wasi:http 0.2"));
        let later = TEXT.replace('}', r#","more":[1]}"#);
        assert!(Declared::read(&module(&[&later])).is_some());
        for none in [module(&[]), module(&["{}"]), module(&[TEXT, TEXT]), b"(component)".to_vec(), vec![]] {
            assert_eq!(Declared::read(&none), None);
        }
        let long = TEXT.replace('}', &format!(r#","more":"{}"}}"#, "x".repeat(MAX_SECTION)));
        assert_eq!(Declared::read(&module(&[&long])), None);
    }

    #[test]
    fn a_disagreement_names_the_key_and_what_to_write() {
        let declared = Declared::read(&module(&[TEXT])).unwrap();
        assert_eq!(declared.unfit(Lane::Io), Vec::<String>::new());
        let faults = declared.unfit(Lane::Compute);
        assert!(faults[0].starts_with("lane: ") && faults[0].contains("write lane = \"io\""), "{faults:?}");
        let later = Declared { contract: CONTRACT + 1, ..declared.clone() };
        assert!(later.unfit(Lane::Io)[0].contains("update the host"));
        assert_eq!(declared.unlike(Kind::Http02), None);
        assert!(declared.unlike(Kind::Http03).unwrap().contains("exports wasi:http 0.3"));
    }
}
