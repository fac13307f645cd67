//! Where requests begin and end in the bytes that a Redis client sends (arrays of bulk strings).

/// A request that ended in the bytes of now.
pub struct Request {
    /// All of it, also what came before.
    pub bytes: Vec<u8>,
    /// Where it begins in the bytes of now; 0 when it began before.
    pub begins: usize,
    /// Where it ends in them.
    pub ends: usize,
}

/// Cuts a stream into requests.
#[derive(Default)]
pub struct Requests {
    /// What came of the request that is under way.
    begun: Vec<u8>,
}

impl Requests {
    /// The requests that end in these bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Request> {
        let before = self.begun.len();
        self.begun.extend_from_slice(bytes);
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(length) = length(&self.begun[at..]) {
            found.push(Request {
                bytes: self.begun[at..at + length].to_vec(),
                begins: at.saturating_sub(before),
                ends: at + length - before,
            });
            at += length;
        }
        self.begun.drain(..at);
        found
    }
}

/// The length of the request that these bytes begin with; `None` = it is not whole yet.
fn length(bytes: &[u8]) -> Option<usize> {
    let (mut at, parts) = number_line(bytes, 0)?;
    for _ in 0..parts {
        let (text, length) = number_line(bytes, at)?;
        at = text + length + 2;
    }
    (at <= bytes.len()).then_some(at)
}

/// A line such as `*3` or `$12`: where it ends, and the number.
fn number_line(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let number = std::str::from_utf8(rest.get(1..end)?).ok()?.parse().unwrap_or(0);
    Some((at + end + 2, number))
}
