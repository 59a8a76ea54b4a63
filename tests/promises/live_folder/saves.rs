//! However a file is written, serving goes on: the old revision until the new one is whole.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use wasmbay::registry::State;
use wasmbay_tests::{
    house::{House, Plugin, guest},
    text,
};

use super::{becomes, guest_file, serving, status_of};

/// How an editor puts a text where a file is.
type Save = fn(&Path, &str) -> io::Result<()>;

/// What editors, linkers and deployments do.
const SAVES: [(&str, Save); 6] = [
    ("truncate and write", |file, text| fs::write(file, text)),
    ("write in place, then cut", |file, text| {
        let mut open = File::options().write(true).open(file)?;
        open.write_all(text.as_bytes())?;
        open.set_len(text.len() as u64)
    }),
    ("a temporary file renamed over it", |file, text| {
        let temporary = file.with_file_name(".guest.wat.tmp123");
        fs::write(&temporary, text)?;
        fs::rename(&temporary, file)
    }),
    ("a backup renamed away, then a new file", |file, text| {
        let backup = file.with_file_name("guest.wat~");
        fs::rename(file, &backup)?;
        fs::write(file, text)?;
        fs::remove_file(&backup)
    }),
    ("removed and written again", |file, text| {
        fs::remove_file(file)?;
        fs::write(file, text)
    }),
    ("a backup linked, then a new file renamed over it", |file, text| {
        let (backup, new) = (file.with_file_name("guest.wat.bak"), file.with_file_name("4913"));
        fs::hard_link(file, &backup)?;
        fs::write(&new, text)?;
        fs::rename(&new, file)?;
        fs::remove_file(&backup)
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_way_an_editor_saves_the_edit_becomes_live_and_nothing_breaks() {
    let house = serving("before").await;
    for (how, save) in SAVES {
        save(&guest_file(&house), &text::says(how)).unwrap();
        becomes(&house, "/p", how).await;
    }
    let manifest = house.dir.path().join("p/plugin.toml");
    for (number, (_, save)) in SAVES.iter().enumerate() {
        let version = format!("version = \"{number}\"");
        save(&manifest, &text::manifest("p", "").replace("version = \"1\"", &version)).unwrap();
        let is_live =
            move |house: &House| status_of(house, "p").live.is_some_and(|live| live.version == number.to_string());
        house.until(&version, is_live).await;
        becomes(&house, "/p", SAVES[SAVES.len() - 1].0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_text_never_breaks_serving() {
    let house = serving("old").await;
    let new = text::says("new");
    let (first, rest) = new.split_at(new.len() / 2);
    let mut file = File::create(guest_file(&house)).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    assert_eq!(house.get("/p").await.text(), "old");
    // The writer pauses for so long that the half counts as the author's word.
    house.settled().await;
    assert_eq!(status_of(&house, "p").state, State::Outdated);
    assert_eq!(house.get("/p").await.text(), "old");
    file.write_all(rest.as_bytes()).unwrap();
    drop(file);
    becomes(&house, "/p", "new").await;
    assert_eq!(status_of(&house, "p").state, State::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_comes_in_pieces_never_breaks_serving() {
    let house = House::serve(&[Plugin::new("p", "io", "cgi02.wasm")]).await;
    let (file, new) = (house.dir.path().join("p/cgi02.wasm"), fs::read(guest("http02.wasm")).unwrap());
    let mut file = File::create(file).unwrap();
    for piece in new.chunks(new.len() / 20 + 1) {
        file.write_all(piece).unwrap();
        let answer = house.get("/p/hello").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello from cgi\n"));
    }
    drop(file);
    becomes(&house, "/p/hello", "hello from 0.2\n").await;
}
