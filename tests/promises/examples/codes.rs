//! QR codes, read back by what ISO/IEC 18004 says of the smallest one.

use super::{serve, svg};

/// Modules on a side of the smallest code.
const SIZE: usize = 21;

#[tokio::test(flavor = "multi_thread")]
async fn qr_draws_codes_that_can_be_read() {
    let house = serve(&["qr"]).await;
    for (query, text) in [("text=wasmbay", "wasmbay"), ("a=b&text=a%2Bb+%C3%A4", "a+b \u{e4}"), ("text=", "")] {
        let answer = house.get(&format!("/qr?{query}")).await;
        assert_eq!(answer.headers["content-type"], "image/svg+xml", "{}", answer.text());
        assert_eq!(read(&svg::cells(answer.text(), 4)), text.as_bytes());
    }
    let most = house.get(&format!("/qr?text={}", "x".repeat(2331))).await;
    assert_eq!(svg::cells(most.text(), 4).len(), 177);
    assert_eq!(house.get(&format!("/qr?text={}", "x".repeat(2332))).await.status, 414);
    assert_eq!(house.get("/qr").await.status, 400);

    let picture = house.get("/qr?text=wasmbay").await;
    let terminal = house.get("/qr.txt?text=wasmbay").await;
    let lines: Vec<Vec<char>> = terminal.text().lines().map(|line| line.chars().collect()).collect();
    for (row, cells) in svg::cells(picture.text(), 4).iter().enumerate() {
        for (column, dark) in cells.iter().enumerate() {
            let (line, lower) = ((row + 4) / 2, (row + 4) % 2 == 1);
            let lit = if lower { ['█', '▄'] } else { ['█', '▀'] };
            assert_eq!(lit.contains(&lines[line][column + 4]), !dark, "{row}, {column}");
        }
    }
}

/// The bytes that a code of the smallest version says.
fn read(code: &[Vec<bool>]) -> Vec<u8> {
    assert!(code.len() == SIZE && code[0][..7].iter().all(|&dark| dark), "not the smallest code");
    let mut bits = data_bits(code).into_iter();
    let mut number = |count: usize| bits.by_ref().take(count).fold(0, |number, bit| number << 1 | u8::from(bit));
    let codewords: Vec<u8> = (0..26).map(|_| number(8)).collect();
    // The ten that correct make the whole a multiple of (x - 2^i).
    for power in 0..10 {
        let root = (0..power).fold(1, |root, _| times(root, 2));
        assert_eq!(codewords.iter().fold(0, |value, word| times(value, root) ^ word), 0, "a codeword is wrong");
    }
    let nibbles: Vec<u8> = codewords.iter().flat_map(|word| [word >> 4, word & 15]).collect();
    assert_eq!(nibbles[0], 0b0100, "bytes");
    let count = usize::from(nibbles[1] << 4 | nibbles[2]);
    nibbles[3..3 + 2 * count].chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// In pairs of columns from the right, up and down, without the mask.
fn data_bits(code: &[Vec<bool>]) -> Vec<bool> {
    let mask = [2, 3, 4].into_iter().fold(0, |mask, column| mask << 1 | u8::from(code[8][column])) ^ 0b101;
    let framed = |row: usize, column: usize| {
        let (near, far) = (9, SIZE - 8);
        row == 6 || column == 6 || row < near && (column < near || column >= far) || row >= far && column < near
    };
    let pairs = [20, 18, 16, 14, 12, 10, 8, 5, 3, 1].into_iter().enumerate();
    let places = pairs.flat_map(|(turn, right)| {
        (0..SIZE).flat_map(move |i| {
            let row = if turn % 2 == 0 { SIZE - 1 - i } else { i };
            [(row, right), (row, right - 1)]
        })
    });
    let data = places.filter(|&(row, column)| !framed(row, column));
    data.map(|(row, column)| code[row][column] ^ inverted(mask, row, column)).collect()
}

fn inverted(mask: u8, i: usize, j: usize) -> bool {
    let of = [
        (i + j) % 2,
        i % 2,
        j % 3,
        (i + j) % 3,
        (i / 2 + j / 3) % 2,
        i * j % 2 + i * j % 3,
        (i * j % 2 + i * j % 3) % 2,
        ((i + j) % 2 + i * j % 3) % 2,
    ];
    of[usize::from(mask)] == 0
}

/// In the field of 256 elements.
fn times(one: u8, other: u8) -> u8 {
    let double = |value: u8| value << 1 ^ if value & 0x80 == 0 { 0 } else { 0x1d };
    (0..8).rev().fold(0, |product, bit| double(product) ^ if other >> bit & 1 == 0 { 0 } else { one })
}
