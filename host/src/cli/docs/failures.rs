//! `docs/failures.md`, from the table of failures.

use super::{keep, table};
use crate::failure::{Blame, Retry, Row, TABLE};

const HEAD: &str = "\
# Failures

Every way a request can fail, as `code` in the answer's body, as `code` of its log line and as the label of
`wasmbay_requests_total`. The body is `application/problem+json` (RFC 9457):

```json
{
  \"type\": \"about:blank\",
  \"title\": \"Internal Server Error\",
  \"status\": 500,
  \"detail\": \"The plugin spent all the CPU time one request may spend.\",
  \"code\": \"cpu-exhausted\",
  \"plugin\": \"thumbs\",
  \"request_id\": \"01JD8Z6W3V0Q4T5Y7K9N2B1C3D\",
  \"remedy\": \"raise limits.cpu; long computation belongs in lane = \\\"compute\\\"\"
}
```

What a guest did inside, its frames and the host's own error, is in the log and for the operator; a client reads it from
`wasmbay dev` alone. Once a response's head is out, a failure breaks its body off: the client never sees a clean end.
A 503 carries `Retry-After`, a 405 carries `Allow`.

This page is made from the code's table: `WASMBAY_WRITE_DOCS=1 cargo test --workspace --lib docs`.

";

#[test]
fn the_page_of_failures_is_what_the_table_says() {
    let rows = TABLE.iter().map(row);
    let page = table(["code", "status", "what it means", "whose fault", "again?", "what to change"], rows);
    keep("failures.md", &(HEAD.to_owned() + &page));
}

fn row(row: &Row) -> [String; 6] {
    let status = if row.status == 499 { "499, in the log alone".to_owned() } else { row.status.to_string() };
    let blame = match row.blame {
        Blame::Client => "the client's",
        Blame::Guest => "the plugin's",
        Blame::Host => "the host's",
    };
    let again = match row.retry {
        Retry::Never => "no",
        Retry::Later => "after a pause",
    };
    let remedy = row.remedy.map_or("–".to_owned(), ToOwned::to_owned);
    [format!("`{}`", row.name), status, row.title.to_owned(), blame.to_owned(), again.to_owned(), remedy]
}
