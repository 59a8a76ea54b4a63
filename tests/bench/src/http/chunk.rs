//! A chunked body, decoded as it arrives.

/// Where in a chunked body the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// In a line that gives the next chunk's size.
    #[default]
    Size,
    /// In a chunk, with this many bytes to come.
    Data(usize),
    /// In the line end behind a chunk's data.
    DataEnd,
    /// In the trailers.
    Trailers,
    /// Behind the last byte.
    Done,
}

impl Chunked {
    /// Moves what `input` holds of the body to `body`; returns how many bytes of `input` were used up.
    /// Fewer than all means that a line is incomplete, or that the body is done.
    ///
    /// # Errors
    ///
    /// A sentence saying what is wrong.
    pub(crate) fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, &'static str> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match *self {
                Self::Done => return Ok(used),
                Self::Data(left) => {
                    let take = left.min(rest.len());
                    body.extend_from_slice(&rest[..take]);
                    used += take;
                    if take < left {
                        *self = Self::Data(left - take);
                        return Ok(used);
                    }
                    *self = Self::DataEnd;
                }
                Self::Size | Self::DataEnd | Self::Trailers => {
                    let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(used) };
                    *self = self.line(&rest[..end])?;
                    used += end + 2;
                }
            }
        }
    }

    /// What follows a whole line.
    fn line(self, line: &[u8]) -> Result<Self, &'static str> {
        match self {
            Self::Size => {
                let text = std::str::from_utf8(line).map_err(|_| "a chunk size is not text")?;
                let digits = text.split(';').next().unwrap_or_default().trim();
                match usize::from_str_radix(digits, 16).map_err(|_| "a chunk size is not a number")? {
                    0 => Ok(Self::Trailers),
                    size => Ok(Self::Data(size)),
                }
            }
            Self::DataEnd if line.is_empty() => Ok(Self::Size),
            Self::DataEnd => Err("a chunk is longer than its size"),
            Self::Trailers if line.is_empty() => Ok(Self::Done),
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"5\r\nhello\r\n6;note=x\r\n world\r\n0\r\nend: yes\r\n\r\nHTTP/1.1";

    #[test]
    fn every_split_of_the_wire_gives_the_same_body() {
        for cut in 0..WIRE.len() {
            let (mut state, mut body, mut pending) = (Chunked::default(), Vec::new(), Vec::new());
            for part in [&WIRE[..cut], &WIRE[cut..]] {
                pending.extend_from_slice(part);
                let used = state.feed(&pending, &mut body).expect("the wire is well formed");
                pending.drain(..used);
            }
            assert_eq!((state, body.as_slice()), (Chunked::Done, &b"hello world"[..]), "cut at {cut}");
            assert_eq!(pending, b"HTTP/1.1", "cut at {cut}");
        }
    }

    #[test]
    fn a_chunk_longer_than_its_size_is_refused() {
        assert!(Chunked::default().feed(b"2\r\nabc\r\n", &mut Vec::new()).is_err());
        assert!(Chunked::default().feed(b"zz\r\n", &mut Vec::new()).is_err());
    }
}
