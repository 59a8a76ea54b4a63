//! A store against what it promises, and against a plain map.

use std::{collections::BTreeMap, fs, sync::Arc};

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;

const QUOTA: KeyQuota = KeyQuota { stores: 2, keys: 3, bytes: 40, value: 16 };

fn set(key: &str, value: &str) -> Op {
    Op::Set(key.to_owned(), value.as_bytes().to_vec())
}

fn get(key: &str) -> Op {
    Op::Get(key.to_owned())
}

async fn value(tenant: &Arc<Tenant>, store: &str, key: &str) -> Option<String> {
    match tenant.ask(store, get(key)).await {
        Ok(Answer::Value(value, _)) => value.map(|value| String::from_utf8(value).expect("text")),
        other => panic!("{other:?}"),
    }
}

fn opened(folder: &TempDir, quota: KeyQuota) -> Arc<Tenant> {
    KeyFiles::new(folder.path()).tenant("acme", quota)
}

#[tokio::test]
async fn what_is_answered_as_set_is_there_for_whoever_opens_the_file_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, KeyQuota::default());
    assert_eq!(value(&tenant, "s", "k").await, None);
    assert_eq!(tenant.ask("s", set("k", "1")).await, Ok(Answer::Done));
    assert_eq!(tenant.ask("s", set("k", "2")).await, Ok(Answer::Done));
    assert_eq!(tenant.ask("s", Op::Delete("none".to_owned())).await, Ok(Answer::Done));
    drop(tenant);
    let tenant = opened(&folder, KeyQuota::default());
    assert_eq!(value(&tenant, "s", "k").await.as_deref(), Some("2"));
    assert_eq!(value(&tenant, "other", "k").await, None);
    assert_eq!(tenant.ask("s", Op::Exists("k".to_owned())).await, Ok(Answer::Is(true)));
    assert_eq!(tenant.ask("s", Op::Delete("k".to_owned())).await, Ok(Answer::Done));
    assert_eq!(tenant.ask("s", Op::Exists("k".to_owned())).await, Ok(Answer::Is(false)));
}

#[tokio::test]
async fn each_tenant_has_a_file_of_its_own_that_nobody_else_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let files = KeyFiles::new(folder.path());
    let (one, two) = (files.tenant("one", QUOTA), files.tenant("two", QUOTA));
    one.ask("s", set("k", "1")).await.expect("set");
    assert_eq!(value(&two, "s", "k").await, None);
    let mode = fs::metadata(folder.path().join(FOLDER)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_quota_refuses_what_is_too_much_and_says_what_there_may_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, QUOTA);
    let refused = |store: &'static str, op| {
        let tenant = Arc::clone(&tenant);
        async move { tenant.ask(store, op).await.expect_err("it is too much") }
    };
    for key in ["a", "b", "c"] {
        tenant.ask("s", set(key, "0123456789")).await.expect("it fits");
    }
    assert_eq!(refused("s", set("d", "")).await, Refusal::Keys(3));
    assert_eq!(refused("s", set("a", "01234567890123456")).await, Refusal::Value(16));
    // 33 bytes are there: 16 in place of 10 are 39, and twice is too much.
    tenant.ask("s", set("a", "0123456789012345")).await.expect("it fits");
    assert_eq!(refused("s", set("b", "0123456789012345")).await, Refusal::Bytes(40));
    assert_eq!(refused("s", set(&"k".repeat(MAX_KEY + 1), "")).await, Refusal::Key);
    tenant.ask("s", Op::Delete("c".to_owned())).await.expect("deleted");
    tenant.ask("s", set("d", "")).await.expect("there is room again");
    tenant.ask("second", set("a", "")).await.expect("a second store");
    assert_eq!(refused("third", set("a", "")).await, Refusal::Stores(2));
    // To look at one makes none.
    assert_eq!(value(&tenant, "third", "a").await, None);
}

#[tokio::test]
async fn a_quota_that_was_lowered_lets_a_store_shrink() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, KeyQuota::default());
    tenant.ask("s", set("a", &"x".repeat(100))).await.expect("set");
    drop(tenant);
    let tenant = opened(&folder, KeyQuota { value: 100, ..QUOTA });
    tenant.ask("s", set("a", &"x".repeat(99))).await.expect("it is less than before");
    assert_eq!(tenant.ask("s", set("a", &"x".repeat(100))).await, Err(Refusal::Bytes(40)));
}

#[tokio::test]
async fn keys_are_listed_in_order_a_page_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, KeyQuota::default());
    let keys: Vec<String> = (0..PAGE + 5).map(|n| format!("k{n:05}")).collect();
    let all = keys.iter().map(|key| tenant.ask("s", set(key, "")));
    for set in futures_util::future::join_all(all).await {
        assert_eq!(set, Ok(Answer::Done));
    }
    assert_eq!(tenant.ask("s", Op::Keys(None)).await, Ok(Answer::Keys(keys[..PAGE].to_vec())));
    let last = Some(keys[PAGE - 1].clone());
    assert_eq!(tenant.ask("s", Op::Keys(last)).await, Ok(Answer::Keys(keys[PAGE..].to_vec())));
    assert_eq!(tenant.ask("none", Op::Keys(None)).await, Ok(Answer::Keys(vec![])));
}

#[tokio::test]
async fn a_number_is_added_to_and_what_is_none_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, KeyQuota::default());
    let add = |delta| Op::Increment("n".to_owned(), delta);
    let many = (0..50).map(|_| tenant.ask("s", add(2)));
    futures_util::future::join_all(many).await;
    assert_eq!(tenant.ask("s", add(-1)).await, Ok(Answer::Number(99)));
    assert_eq!(tenant.ask("s", add(i64::MAX)).await, Err(Refusal::NoNumber));
    tenant.ask("s", set("n", "1.5")).await.expect("set");
    assert_eq!(tenant.ask("s", add(1)).await, Err(Refusal::NoNumber));
    assert_eq!(value(&tenant, "s", "n").await.as_deref(), Some("1.5"));
}

#[tokio::test]
async fn a_swap_is_done_only_over_what_was_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, KeyQuota::default());
    let seen = async || match tenant.ask("s", get("k")).await {
        Ok(Answer::Value(_, version)) => version,
        other => panic!("{other:?}"),
    };
    let swap = |seen, value: &str| tenant.ask("s", Op::Swap("k".to_owned(), seen, value.as_bytes().to_vec()));
    let none = seen().await;
    assert_eq!(swap(none, "1").await, Ok(Answer::Is(true)));
    assert_eq!(swap(none, "2").await, Ok(Answer::Is(false)));
    let one = seen().await;
    // The same value again is another write, and so is one after a removal.
    tenant.ask("s", set("k", "1")).await.expect("set");
    assert_eq!(swap(one, "2").await, Ok(Answer::Is(false)));
    let again = seen().await;
    tenant.ask("s", Op::Delete("k".to_owned())).await.expect("deleted");
    tenant.ask("s", set("k", "1")).await.expect("set");
    assert_eq!(swap(again, "2").await, Ok(Answer::Is(false)));
    assert_eq!(swap(seen().await, "2").await, Ok(Answer::Is(true)));
    assert_eq!(value(&tenant, "s", "k").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_file_that_is_none_is_said_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join(FOLDER)).expect("made");
    let path = folder.path().join(FOLDER).join("acme.sqlite");
    fs::write(&path, "this is no database, and long enough to be taken for one at first sight").expect("written");
    let before = fs::read(&path).expect("read");
    let tenant = opened(&folder, QUOTA);
    for _ in 0..2 {
        let refusal = tenant.ask("s", get("k")).await.expect_err("it is no database");
        assert!(matches!(&refusal, Refusal::Broken(why) if why.contains("not a database")), "{refusal}");
    }
    assert_eq!(fs::read(&path).expect("read"), before);
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = opened(&folder, QUOTA);
    tenant.ask("s", set("k", "1")).await.expect("set");
    drop(tenant);
    let path = folder.path().join(FOLDER).join("acme.sqlite");
    let connection = rusqlite::Connection::open(path).expect("opened");
    connection.execute_batch("PRAGMA user_version = 2").expect("written");
    drop(connection);
    let refusal = opened(&folder, QUOTA).ask("s", get("k")).await.expect_err("it is from the future");
    assert!(refusal.to_string().contains("a later version of the host"), "{refusal}");
}

/// What a store is to hold, without a file.
#[derive(Default)]
struct Model(BTreeMap<String, Vec<u8>>);

impl Model {
    fn bytes(&self) -> u64 {
        self.0.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }

    fn ask(&mut self, op: &Op) -> Result<Option<Answer>, Refusal> {
        match op {
            Op::Set(key, value) => {
                if value.len() as u64 > QUOTA.value {
                    return Err(Refusal::Value(QUOTA.value));
                }
                let (before, bytes) = (self.0.clone(), self.bytes());
                self.0.insert(key.clone(), value.clone());
                let refusal = match () {
                    () if self.0.len() as u64 > QUOTA.keys => Refusal::Keys(QUOTA.keys),
                    () if self.bytes() > QUOTA.bytes && self.bytes() > bytes => Refusal::Bytes(QUOTA.bytes),
                    () => return Ok(Some(Answer::Done)),
                };
                self.0 = before;
                Err(refusal)
            }
            Op::Delete(key) => {
                self.0.remove(key);
                Ok(Some(Answer::Done))
            }
            Op::Exists(key) => Ok(Some(Answer::Is(self.0.contains_key(key)))),
            Op::Keys(after) => {
                let behind = |key: &&String| after.as_ref().is_none_or(|after| *key > after);
                Ok(Some(Answer::Keys(self.0.keys().filter(behind).cloned().collect())))
            }
            // Its version is for the file to say.
            Op::Get(_) | Op::Increment(..) | Op::Swap(..) => Ok(None),
        }
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || prop_oneof![Just(String::new()), "[a-e]{1,3}", Just("é\u{0}".to_owned())];
    let value = prop::collection::vec(any::<u8>(), 0..20);
    let op = prop_oneof![
        4 => (key(), value).prop_map(|(key, value)| Op::Set(key, value)),
        2 => key().prop_map(Op::Delete),
        1 => key().prop_map(Op::Exists),
        1 => prop::option::of(key()).prop_map(Op::Keys),
        2 => key().prop_map(Op::Get),
    ];
    prop::collection::vec(op, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is asked, one after another or all at once, comes to what a plain map says.
    #[test]
    fn a_store_is_a_map_within_its_quota(ops in ops(), at_once in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let (mut model, tenant) = (Model::default(), opened(&folder, QUOTA));
        let answers = runtime.block_on(async {
            let ask = |op: &Op| { let (tenant, op) = (Arc::clone(&tenant), op.clone()); async move { tenant.ask("s", op).await } };
            match at_once {
                true => futures_util::future::join_all(ops.iter().map(ask)).await,
                false => {
                    let mut answers = Vec::new();
                    for op in &ops {
                        answers.push(ask(op).await);
                    }
                    answers
                }
            }
        });
        for (op, answer) in ops.iter().zip(answers) {
            let before = if let Op::Get(key) = op { Some(model.0.get(key).cloned()) } else { None };
            match (model.ask(op), answer) {
                (Ok(None), Ok(Answer::Value(value, _))) => prop_assert_eq!(Some(value), before),
                (Ok(Some(expected)), Ok(answer)) => prop_assert_eq!(answer, expected),
                (Err(expected), Err(refusal)) => prop_assert_eq!(refusal, expected),
                other => prop_assert!(false, "{:?}: {:?}", op, other),
            }
        }
    }
}
