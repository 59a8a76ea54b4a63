//! What the host itself serves of a revision: which file a path means, in which codings it lies ready, and its tag.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::HeaderValue;
use mime_guess::Mime;

use crate::{
    config::{Manifest, Serves},
    store::{Kept, Shelf},
};

/// What a path that ends in a slash means.
const INDEX: &str = "index.html";

/// Below this a packed answer is no smaller on the wire: it leaves in one segment either way.
const WORTH_PACKING: usize = 1024;

/// Brotli's quality of 0 to 11: above it each step costs twice the time for a hundredth of the size.
const BROTLI_QUALITY: i32 = 5;
/// Its window, as a power of two; what all decoders take.
const BROTLI_WINDOW: i32 = 22;

/// How a file's bytes are written (RFC 9110, 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// As they are.
    Identity,
    /// `br`, RFC 7932.
    Brotli,
    /// `gzip`, RFC 1952.
    Gzip,
}

impl Coding {
    /// Its name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The folder of the shelf where files lie so coded.
    fn folder(self) -> &'static str {
        match self {
            Self::Identity => "files",
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }
}

/// The files that the host serves of one revision, by route.
#[derive(Debug, Default)]
pub struct Statics {
    by_route: HashMap<usize, Tree>,
    /// Where they lie, if there are any.
    kept: Option<Kept>,
}

/// Files by their paths below the route's.
type Tree = BTreeMap<String, StaticFile>;

/// One file that the host serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticFile {
    name: PathBuf,
    /// What it is, by its name.
    pub content_type: HeaderValue,
    /// The first half of the BLAKE3 hash of its bytes, in hex: the same file has the same tag on every host.
    pub tag: String,
    /// How large it is in each coding that it lies ready in; never without [`Coding::Identity`].
    pub sizes: BTreeMap<Coding, u64>,
}

impl StaticFile {
    /// One that lies nowhere.
    #[cfg(test)]
    pub fn described(name: &str, content_type: HeaderValue, tag: &str, sizes: BTreeMap<Coding, u64>) -> Self {
        Self { name: name.into(), content_type, tag: tag.to_owned(), sizes }
    }
}

impl Statics {
    /// Packs what is worth it and keeps all of it. Blocks while it does.
    ///
    /// # Errors
    /// When the files cannot be kept.
    pub(super) fn keep(shelf: &Shelf, manifest: &Manifest, files: &BTreeMap<PathBuf, Bytes>) -> io::Result<Self> {
        let (mut by_route, mut coded) = (HashMap::new(), BTreeMap::new());
        for (route, folder) in served(manifest) {
            let mut tree = Tree::new();
            for (name, bytes) in files {
                let Some(below) = name.strip_prefix(folder).ok().and_then(Path::to_str) else { continue };
                tree.insert(below.to_owned(), pack(name, bytes, &mut coded));
            }
            by_route.insert(route, tree);
        }
        let kept = if coded.is_empty() { None } else { Some(shelf.keep(&coded)?) };
        Ok(Self { by_route, kept })
    }

    /// Whether the host answers on this route.
    pub fn serves(&self, route: usize) -> bool {
        self.by_route.contains_key(&route)
    }

    /// The file that a path below the route's means, its percent-encoding undone.
    pub fn find(&self, route: usize, below: &str) -> Option<&StaticFile> {
        let tree = self.by_route.get(&route)?;
        match below {
            folder if folder.is_empty() || folder.ends_with('/') => tree.get(&format!("{folder}{INDEX}")),
            file => tree.get(file),
        }
    }

    /// Where a file of these lies, coded so.
    pub fn path(&self, file: &StaticFile, coding: Coding) -> Option<PathBuf> {
        Some(self.kept.as_ref()?.path().join(coding.folder()).join(&file.name))
    }
}

fn served(manifest: &Manifest) -> impl Iterator<Item = (usize, &Path)> {
    manifest.routes.iter().enumerate().filter_map(|(number, route)| match &route.serves {
        Serves::Files(folder) => Some((number, folder.as_path())),
        Serves::Plugin => None,
    })
}

/// Describes one file, and adds it to what is kept in every coding that is worth it.
fn pack(name: &Path, bytes: &Bytes, coded: &mut BTreeMap<PathBuf, Bytes>) -> StaticFile {
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let mut sizes = BTreeMap::new();
    let mut add = |coding: Coding, bytes: Bytes| {
        sizes.insert(coding, bytes.len() as u64);
        coded.insert(Path::new(coding.folder()).join(name), bytes);
    };
    add(Coding::Identity, bytes.clone());
    if bytes.len() >= WORTH_PACKING && is_text(&kind) {
        // Less than a tenth saved is not worth another copy.
        let is_smaller = |packed: &Vec<u8>| packed.len() < bytes.len() / 10 * 9;
        [(Coding::Brotli, brotli(bytes)), (Coding::Gzip, gzip(bytes))]
            .into_iter()
            .filter(|(_, packed)| is_smaller(packed))
            .for_each(|(coding, packed)| add(coding, packed.into()));
    }
    let tag = blake3::hash(bytes).to_hex()[..32].to_owned();
    StaticFile { name: name.to_owned(), content_type: content_type(&kind), tag, sizes }
}

/// Whether packing pays: pictures, fonts and archives are packed already.
fn is_text(kind: &Mime) -> bool {
    let subtype = kind.subtype().as_str();
    let structured = [Some("json"), Some("xml")].contains(&kind.suffix().map(|suffix| suffix.as_str()));
    kind.type_() == mime_guess::mime::TEXT
        || structured
        || ["json", "javascript", "xml", "wasm", "x-font-ttf", "rtf"].contains(&subtype)
}

/// Text is UTF-8 unless it says something else itself.
fn content_type(kind: &Mime) -> HeaderValue {
    let is_text = kind.type_() == mime_guess::mime::TEXT || kind.subtype() == mime_guess::mime::JAVASCRIPT;
    let text = if is_text { format!("{}; charset=utf-8", kind.essence_str()) } else { kind.essence_str().to_owned() };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).and_then(|()| packer.finish()).expect("memory takes all bytes")
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let parameters =
        brotli::enc::BrotliEncoderParams { quality: BROTLI_QUALITY, lgwin: BROTLI_WINDOW, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &parameters).expect("memory takes all bytes");
    packed
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _};

    use super::*;
    use crate::{config::Methods, registry::testing};

    fn statics(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Statics) {
        let data = tempfile::tempdir().expect("a folder");
        let route = crate::config::Route {
            path: "/s/{*rest}".to_owned(),
            methods: Methods::Only(vec![http::Method::GET]),
            host: None,
            serves: Serves::Files("web".into()),
        };
        let files = files.iter().map(|(name, bytes)| (PathBuf::from(name), Bytes::copy_from_slice(bytes)));
        let shelf = Shelf::open(data.path()).expect("a shelf");
        let kept = Statics::keep(&shelf, &testing::manifest("p", vec![route]), &files.collect());
        (data, kept.expect("it is kept"))
    }

    #[test]
    fn a_path_means_the_file_of_that_name_or_the_index_of_a_folder() {
        let (_data, statics) =
            statics(&[("web/index.html", b"i"), ("web/a/index.html", b"a"), ("web/b c.css", b"b"), ("x", b"x")]);
        let text = |below| {
            let path = statics.path(statics.find(0, below)?, Coding::Identity)?;
            fs::read_to_string(path).ok()
        };
        assert_eq!(text("").as_deref(), Some("i"));
        assert_eq!(text("a/").as_deref(), Some("a"));
        assert_eq!(text("b c.css").as_deref(), Some("b"));
        for nothing in ["a", "b", "../x", "x", "a/../index.html", "/index.html", "b c.css/"] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
        assert!(statics.serves(0) && !statics.serves(1));
    }

    #[test]
    fn text_is_packed_where_that_makes_it_smaller_and_unpacks_to_itself() {
        let text = b"body { color: black }\n".repeat(200);
        let (_data, statics) = statics(&[("web/a.css", &text), ("web/a.png", &text), ("web/short.css", b"a{}")]);
        let file = statics.find(0, "a.css").expect("it is there");
        assert_eq!(file.content_type, "text/css; charset=utf-8");
        assert_eq!(file.sizes.keys().copied().collect::<Vec<_>>(), [Coding::Identity, Coding::Brotli, Coding::Gzip]);
        let packed = |coding| fs::read(statics.path(file, coding).expect("a path")).expect("it is kept");
        let (mut from_gzip, mut from_brotli) = (Vec::new(), Vec::new());
        flate2::read::GzDecoder::new(&packed(Coding::Gzip)[..]).read_to_end(&mut from_gzip).expect("gzip");
        brotli::BrotliDecompress(&mut &packed(Coding::Brotli)[..], &mut from_brotli).expect("brotli");
        assert!(from_gzip == text && from_brotli == text);
        for (name, kind) in [("a.png", "image/png"), ("short.css", "text/css; charset=utf-8")] {
            let file = statics.find(0, name).expect("it is there");
            assert_eq!((file.sizes.len(), file.content_type.as_bytes()), (1, kind.as_bytes()), "{name}");
        }
    }
}
