//! What a guest's statement may do: a list, beyond which everything is denied.

use rusqlite::hooks::{AuthAction, AuthContext};

/// The pragmas that tell of the database. What they say of the host's files is left out.
const TELLING: &[&str] = &[
    "collation_list",
    "compile_options",
    "data_version",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "page_count",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Those that tell when they are given no value.
const ONLY_TELLING: &[&str] =
    &["auto_vacuum", "journal_mode", "max_page_count", "page_size", "schema_version", "synchronous"];

/// Those that set what is kept in the file.
const KEPT: &[&str] = &["application_id", "optimize", "user_version"];

/// Those that set how the connection behaves.
const BEHAVING: &[&str] = &["defer_foreign_keys", "foreign_keys", "ignore_check_constraints", "recursive_triggers"];

/// The kinds of virtual tables that may be made.
const MODULES: &[&str] = &["fts5", "rtree"];

/// Functions that reach outside, whether they are there or not.
const OUTSIDE: &[&str] = &["edit", "fts3_tokenizer", "load_extension", "readfile", "writefile"];

/// What of this no guest may do, in words. Everything is denied that is not known.
pub(super) fn denied(action: &AuthAction<'_>) -> Option<String> {
    use AuthAction as A;
    match action {
        A::Pragma { pragma_name, pragma_value } => {
            let name = pragma_name.to_ascii_lowercase();
            let known = |list: &[&str]| list.contains(&name.as_str());
            let allowed = match pragma_value {
                _ if known(TELLING) || known(KEPT) || known(BEHAVING) => true,
                None => known(ONLY_TELLING),
                // As it is: programs say so when they start.
                Some(value) => name == "journal_mode" && value.eq_ignore_ascii_case("wal"),
            };
            (!allowed).then(|| format!("PRAGMA {name}"))
        }
        A::CreateVtable { module_name, .. } => {
            let allowed = MODULES.iter().any(|module| module.eq_ignore_ascii_case(module_name));
            (!allowed).then(|| format!("a virtual table of {module_name}"))
        }
        A::Function { function_name } => {
            let outside = OUTSIDE.iter().any(|name| name.eq_ignore_ascii_case(function_name));
            outside.then(|| format!("the function {function_name}"))
        }
        // VACUUM is made of one.
        A::Attach { .. } | A::Detach { .. } => Some("ATTACH, DETACH or VACUUM".to_owned()),
        A::CreateIndex { .. }
        | A::CreateTable { .. }
        | A::CreateTempIndex { .. }
        | A::CreateTempTable { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. }
        | A::CreateTrigger { .. }
        | A::CreateView { .. }
        | A::Delete { .. }
        | A::DropIndex { .. }
        | A::DropTable { .. }
        | A::DropTempIndex { .. }
        | A::DropTempTable { .. }
        | A::DropTempTrigger { .. }
        | A::DropTempView { .. }
        | A::DropTrigger { .. }
        | A::DropView { .. }
        | A::Insert { .. }
        | A::Read { .. }
        | A::Select
        | A::Transaction { .. }
        | A::Update { .. }
        | A::AlterTable { .. }
        | A::Reindex { .. }
        | A::Analyze { .. }
        | A::DropVtable { .. }
        | A::Savepoint { .. }
        | A::Recursive => None,
        _ => Some("a statement that this host does not know".to_owned()),
    }
}

/// Whether this leaves the connection other than it was opened.
pub(super) fn soils(context: &AuthContext<'_>) -> bool {
    match context.action {
        AuthAction::Pragma { pragma_name, .. } => {
            BEHAVING.iter().any(|behaving| behaving.eq_ignore_ascii_case(pragma_name))
        }
        AuthAction::Read { .. } => false,
        _ => context.database_name == Some("temp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pragmas_tell_and_set_what_they_may() {
        let pragma = |name, value| denied(&AuthAction::Pragma { pragma_name: name, pragma_value: value });
        for (name, value) in [
            ("table_info", Some("t")),
            ("user_version", Some("3")),
            ("foreign_keys", Some("off")),
            ("journal_mode", None),
            ("Journal_Mode", Some("WAL")),
        ] {
            assert_eq!(pragma(name, value), None, "{name}");
        }
        for (name, value) in [
            ("writable_schema", Some("1")),
            ("journal_mode", Some("delete")),
            ("max_page_count", Some("1")),
            ("database_list", None),
            ("temp_store_directory", Some("'/'")),
            ("hard_heap_limit", None),
            ("synchronous", Some("off")),
            ("mmap_size", Some("1")),
        ] {
            assert_eq!(pragma(name, value), Some(format!("PRAGMA {name}")));
        }
    }

    #[test]
    fn what_is_not_known_is_denied() {
        assert!(denied(&AuthAction::Unknown { code: 99, arg1: None, arg2: None }).is_some());
    }
}
