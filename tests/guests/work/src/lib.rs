//! Work that burns CPU, for the bench: the guest `computing` and the native control call the same [`run`].

mod mandelbrot;
mod primes;
mod sha256;
mod text;

/// What can be asked for.
pub const KINDS: [&str; 4] = ["primes", "mandelbrot", "sha256", "json"];

/// Does the work of this kind, `n` times or up to `n`; the result tells right from wrong and depends on all of it. `None` when there is no such kind.
pub fn run(kind: &str, n: u32) -> Option<u64> {
    match kind {
        "primes" => Some(primes::count(n)),
        "mandelbrot" => Some((0..n).map(|_| mandelbrot::steps()).sum()),
        "sha256" => Some((0..n).fold(0, |sum, _| sum ^ sha256::of_a_mebibyte(sum))),
        "json" => Some((0..n).map(|_| text::there_and_back()).sum()),
        _ => None,
    }
}

/// The kind and `n` of a request's target; `n` is 1 where it is not given.
pub fn asked(target: &str) -> (&str, u32) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let n = query.split('&').find_map(|pair| pair.strip_prefix("n=")?.parse().ok());
    (path.rsplit('/').next().unwrap_or_default(), n.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_does_something_that_depends_on_n() {
        assert_eq!(run("primes", 100_000), Some(9_592));
        for kind in KINDS {
            assert_ne!(run(kind, 1), run(kind, 20), "{kind}");
        }
        assert_eq!(run("nothing", 1), None);
        assert_eq!(asked("/a/json?x=2&n=3"), ("json", 3));
        assert_eq!(asked("/primes"), ("primes", 1));
    }
}
