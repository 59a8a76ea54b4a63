//! Bit operations over memory: SHA-256, in plain Rust for guest and native code alike.

const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// The first eight bytes of the hash of a mebibyte that begins with `seed`.
pub(crate) fn of_a_mebibyte(seed: u64) -> u64 {
    let mut bytes = vec![0x5a; 1 << 20];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let hash = sha256(&bytes);
    u64::from(hash[0]) << 32 | u64::from(hash[1])
}

fn sha256(bytes: &[u8]) -> [u32; 8] {
    let whole = bytes.chunks_exact(64);
    let mut rest = whole.remainder().to_vec();
    rest.push(0x80);
    rest.resize((rest.len() + 8).next_multiple_of(64), 0);
    let end = rest.len() - 8;
    rest[end..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    whole.chain(rest.chunks_exact(64)).fold(START, block_into)
}

fn block_into(state: [u32; 8], block: &[u8]) -> [u32; 8] {
    let mut words = [0; 64];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for n in 16..64 {
        let (a, b) = (words[n - 15], words[n - 2]);
        let low = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let high = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        words[n] = words[n - 16].wrapping_add(low).wrapping_add(words[n - 7]).wrapping_add(high);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    for (k, word) in K.iter().zip(words) {
        let high = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let one = h.wrapping_add(high).wrapping_add(e & f ^ !e & g).wrapping_add(*k).wrapping_add(word);
        let low = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let two = low.wrapping_add(a & b ^ a & c ^ b & c);
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
    }
    let after = [a, b, c, d, e, f, g, h];
    std::array::from_fn(|n| state[n].wrapping_add(after[n]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        assert_eq!(sha256(b"abc")[..2], [0xba78_16bf, 0x8f01_cfea]);
        let longer = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(sha256(longer)[..2], [0x248d_6a61, 0xd206_38b8]);
        assert_eq!(sha256(b"")[..2], [0xe3b0_c442, 0x98fc_1c14]);
    }
}
