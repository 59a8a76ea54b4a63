//! The cache under faults: cut off, changed, swapped, forged, shared.

use std::{os::unix::fs::symlink, sync::Barrier, thread};

use super::*;

const ROOMY: u64 = 1 << 20;

fn open(data: &Path) -> CodeCache {
    CodeCache::open(data, ROOMY).unwrap()
}

fn key(name: &str) -> CodeKey {
    CodeKey::new(&[name.as_bytes()])
}

fn refusal(data: &Path) -> String {
    CodeCache::open(data, ROOMY).expect_err("it must be refused").to_string()
}

fn entries(cache: &CodeCache) -> usize {
    fs::read_dir(&cache.folder).unwrap().count()
}

#[test]
fn what_was_put_is_found_by_its_key_alone_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    open(data.path()).put(&key("a"), b"code").unwrap();
    let cache = open(data.path());
    assert_eq!(cache.get(&key("a")).as_deref(), Some(&b"code"[..]));
    assert_eq!(cache.get(&key("b")), None);
    assert_eq!(cache.stats(), CacheStats { hits: 1, misses: 1, damaged: 0, evicted: 0 });
}

#[test]
fn the_parts_of_a_key_do_not_run_together() {
    assert_ne!(CodeKey::new(&[b"ab", b"c"]), CodeKey::new(&[b"a", b"bc"]));
    assert_ne!(CodeKey::new(&[b"a"]), CodeKey::new(&[b"a", b""]));
}

#[test]
fn an_entry_cut_off_anywhere_is_a_miss_and_is_removed() {
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path());
    cache.put(&key("a"), b"code").unwrap();
    let whole = fs::read(cache.path(&key("a"))).unwrap();
    for length in 0..whole.len() {
        fs::write(cache.path(&key("a")), &whole[..length]).unwrap();
        assert_eq!(cache.get(&key("a")), None, "cut at {length}");
        assert_eq!(entries(&cache), 0);
    }
    assert_eq!(cache.stats().damaged, whole.len() as u64);
}

#[test]
fn a_flipped_bit_anywhere_is_a_miss() {
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path());
    cache.put(&key("a"), b"code").unwrap();
    let whole = fs::read(cache.path(&key("a"))).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(cache.path(&key("a")), &flipped).unwrap();
        assert_eq!(cache.get(&key("a")), None, "bit {bit}");
    }
}

#[test]
fn another_keys_entry_and_another_hosts_entry_are_misses() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (cache, stranger) = (open(data.path()), open(other.path()));
    cache.put(&key("a"), b"code").unwrap();
    fs::rename(cache.path(&key("a")), cache.path(&key("b"))).unwrap();
    assert_eq!(cache.get(&key("b")), None);
    stranger.put(&key("a"), b"forged").unwrap();
    fs::copy(stranger.path(&key("a")), cache.path(&key("a"))).unwrap();
    assert_eq!(cache.get(&key("a")), None);
    assert_eq!(cache.stats().damaged, 2);
}

#[test]
fn a_key_that_others_may_use_or_that_is_no_key_is_refused() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()));
    let file = data.path().join("code.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert!(refusal(data.path()).contains("may be used by other users"), "{mode:o}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "short").unwrap();
    assert!(refusal(data.path()).contains("is not a key of 32 bytes"));
    fs::remove_file(&file).unwrap();
    fs::write(data.path().join("elsewhere"), [0; 32]).unwrap();
    symlink("elsewhere", &file).unwrap();
    assert!(refusal(data.path()).contains("code.key"));
}

#[test]
fn a_folder_that_others_may_use_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path());
    assert_eq!(fs::metadata(&cache.folder).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&cache.folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refusal(data.path()).contains("mode 0755"));
}

#[test]
fn the_entry_unused_for_longest_goes_first() {
    let read = |cache: &CodeCache, key: &CodeKey| assert!(cache.get(key).is_some());
    for used in [read, |cache: &CodeCache, key: &CodeKey| cache.touch(key)] {
        let data = tempfile::tempdir().unwrap();
        let entry = (MAGIC.len() + MAC_LENGTH + 100) as u64;
        let cache = CodeCache::open(data.path(), 2 * entry).unwrap();
        let put = |name: &str, age: u64| {
            cache.put(&key(name), &[0; 100]).unwrap();
            let file = File::options().write(true).open(cache.path(&key(name))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        put("a", 30);
        put("b", 20);
        used(&cache, &key("a"));
        put("c", 0);
        assert!(cache.get(&key("b")).is_none());
        assert!(cache.get(&key("a")).is_some() && cache.get(&key("c")).is_some());
        assert_eq!(cache.stats().evicted, 1);
    }
}

#[test]
fn what_a_dead_host_left_is_swept_and_what_a_live_one_writes_is_not() {
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path());
    fs::write(cache.folder.join("tmp-fresh"), "half").unwrap();
    let old = File::create(cache.folder.join("tmp-old")).unwrap();
    old.set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
    let cache = open(data.path());
    assert!(cache.folder.join("tmp-fresh").exists());
    assert!(!cache.folder.join("tmp-old").exists());
}

#[test]
fn hosts_that_start_and_write_at_once_share_one_key_and_never_see_damage() {
    let data = tempfile::tempdir().unwrap();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let cache = open(data.path());
                for round in 0..20 {
                    let key = key(&format!("entry {}", round % 3));
                    cache.put(&key, &[7; 5000]).unwrap();
                    assert_eq!(cache.get(&key).as_deref(), Some(&[7; 5000][..]));
                }
                assert_eq!(cache.stats().damaged, 0);
            });
        }
    });
}
