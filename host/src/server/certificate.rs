//! A certificate and its key, read from two files.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

/// Larger files are no certificates.
const MOST: u64 = 1 << 20;

/// Where a listener's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain in PEM form, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate, in PEM form.
    pub key: PathBuf,
}

/// Why a certificate cannot be used; a sentence that names the file and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateFault(String);

/// What the two files hold at one moment.
pub(super) struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    /// Reads both files. To be called where blocking does no harm.
    pub(super) fn read(&self) -> Result<Pair, CertificateFault> {
        check_mode(&self.key)?;
        Ok(Pair { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    /// Makes what was read usable.
    pub(super) fn certified(
        &self,
        read: &Pair,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, CertificateFault> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read.certificate).collect();
        let chain = chain.map_err(|error| fault(&self.certificate, format_args!("is not in PEM form: {error}")))?;
        if chain.is_empty() {
            return Err(fault(&self.certificate, "holds no certificate: it begins with -----BEGIN CERTIFICATE-----"));
        }
        let key = PrivateKeyDer::from_pem_slice(&read.key)
            .map_err(|error| fault(&self.key, format_args!("holds no private key in PEM form: {error}")))?;
        CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| {
            let beside = format_args!("does not go with the certificate {}: {error}", self.certificate.display());
            fault(&self.key, beside)
        })
    }
}

impl Pair {
    /// Tells one content from another, without keeping the key.
    pub(super) fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.certificate, &self.key] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }
}

fn fault(file: &Path, what: impl std::fmt::Display) -> CertificateFault {
    CertificateFault(format!("{} {what}", file.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateFault> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(fault(path, format_args!("cannot be read: {error}"))),
        Ok(length) if length as u64 > MOST => Err(fault(path, "is larger than 1 MiB: it is no certificate and no key")),
        Ok(_) => Ok(bytes),
    }
}

/// A key that every user of the machine can read is no secret. A group may: that is how keys are shared with servers.
fn check_mode(key: &Path) -> Result<(), CertificateFault> {
    use std::os::unix::fs::PermissionsExt;
    let found: io::Result<_> = std::fs::metadata(key);
    let mode = found.map_err(|error| fault(key, format_args!("cannot be read: {error}")))?.permissions().mode();
    if mode & 0o007 != 0 {
        let name = key.display();
        return Err(fault(key, format_args!("is open to every user (mode {:03o}): chmod o= {name}", mode & 0o777)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn files(folder: &Path) -> CertificateFiles {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let files = CertificateFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, made.cert.pem()).expect("written");
        fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).expect("changed");
        files
    }

    fn load(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, String> {
        let load = || files.certified(&files.read()?, &rustls::crypto::ring::default_provider());
        load().map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_file() {
        let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (good, other) = (files(folder.path()), files(other.path()));
        assert_eq!(load(&good).map(|key| key.cert.len()), Ok(1));
        let swapped = CertificateFiles { key: other.key.clone(), ..good.clone() };
        let missing = CertificateFiles { certificate: folder.path().join("none.pem"), ..good.clone() };
        let no_key = CertificateFiles { key: good.certificate.clone(), ..good.clone() };
        let no_certificate = CertificateFiles { certificate: good.key.clone(), ..good.clone() };
        fs::set_permissions(&good.certificate, fs::Permissions::from_mode(0o640)).expect("changed");
        for (files, words) in [
            (swapped, "does not go with the certificate"),
            (missing, "none.pem cannot be read: No such file"),
            (no_key, "holds no private key in PEM form"),
            (no_certificate, "key.pem holds no certificate"),
        ] {
            let fault = load(&files).expect_err(words);
            assert!(fault.contains(words), "{fault}");
        }
        fs::write(&other.certificate, vec![b'x'; MOST as usize + 1]).expect("written");
        assert!(load(&other).expect_err("too large").contains("larger than 1 MiB"));
    }

    #[test]
    fn a_key_that_everybody_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).expect("changed");
        let fault = load(&files).expect_err("everybody can read it");
        assert!(fault.contains("open to every user (mode 644): chmod o= "), "{fault}");
    }

    #[test]
    fn a_change_of_either_file_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        let digest = || files.read().expect("readable").digest();
        let first = digest();
        assert_eq!(first, digest());
        for file in [&files.certificate, &files.key] {
            let text = fs::read(file).expect("readable");
            fs::write(file, [&text[..], b"\n"].concat()).expect("written");
            assert_ne!(first, digest());
            fs::write(file, text).expect("written");
        }
    }
}
