//! Just enough PNG: one RGB picture, eight bits a channel.

/// Encodes rows of RGB.
pub(crate) fn encode(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    // After the size: 8 bits a channel, RGB, the one compression, the one filter method, not interlaced.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes()[..], &[8, 2, 0, 0, 0]].concat();
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&filtered(width, rgb), 6));
    chunk(&mut out, b"IEND", &[]);
    out
}

/// Each row as differences to the pixel on the left (filter 1), which deflate makes much less of.
fn filtered(width: u32, rgb: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() + rgb.len() / width as usize);
    for row in rgb.chunks_exact(width as usize * 3) {
        out.push(1);
        out.extend_from_slice(&row[..3]);
        out.extend(row.iter().zip(&row[3..]).map(|(left, here)| here.wrapping_sub(*left)));
    }
    out
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(data);
    out.extend(crc32(&out[start..]).to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
