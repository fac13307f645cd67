//! What the script `examine` answers: one flat `MessagePack` array of texts, whole numbers and `false`.

/// A value of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Absent,
    Number(i64),
    Text(&'a [u8]),
}

impl Part<'_> {
    /// As text; bytes that are none are replaced.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Number(n) => Some(n.to_string()),
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        }
    }

    /// As a number; 0 = it is none.
    pub(super) fn number(self) -> i64 {
        if let Self::Number(n) = self { n } else { 0 }
    }
}

/// The values of an array; `None` = it is none, or holds others than these.
pub(super) fn values(answer: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut rest = Rest(answer);
    let count = match rest.byte()? {
        tag @ 0x90..=0x9f => u64::from(tag & 0x0f),
        0xdc => rest.unsigned(2)?,
        0xdd => rest.unsigned(4)?,
        _ => return None,
    };
    let values: Option<Vec<Part<'_>>> = (0..count).map(|_| rest.part()).collect();
    values.filter(|_| rest.0.is_empty())
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn unsigned(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    /// Two's complement of that many bytes.
    fn signed(&mut self, bytes: usize) -> Option<i64> {
        let shift = 64 - 8 * bytes;
        Some((self.unsigned(bytes)? << shift).cast_signed() >> shift)
    }

    fn part(&mut self) -> Option<Part<'a>> {
        let number = |n: u64| i64::try_from(n).ok().map(Part::Number);
        let length = match self.byte()? {
            0xc0 | 0xc2 => return Some(Part::Absent),
            tag @ 0x00..=0x7f => return number(tag.into()),
            tag @ 0xe0..=0xff => return Some(Part::Number(tag.cast_signed().into())),
            tag @ 0xcc..=0xcf => return number(self.unsigned(1 << (tag - 0xcc))?),
            tag @ 0xd0..=0xd3 => return self.signed(1 << (tag - 0xd0)).map(Part::Number),
            tag @ 0xa0..=0xbf => u64::from(tag & 0x1f),
            0xd9 => self.unsigned(1)?,
            0xda => self.unsigned(2)?,
            0xdb => self.unsigned(4)?,
            _ => return None,
        };
        self.take(usize::try_from(length).ok()?).map(Part::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, values};

    #[test]
    fn texts_numbers_and_what_is_absent_are_read_in_all_their_lengths() {
        let long = [&[0xdc, 0, 2, 0xda, 1, 0][..], &[b'x'; 256], &[0xd9, 2, b'o', b'k']].concat();
        assert_eq!(values(&long), Some(vec![Part::Text(&[b'x'; 256]), Part::Text(b"ok")]));
        let numbers = [0x96, 0x07, 0xff, 0xcd, 0x01, 0x00, 0xd1, 0xff, 0x00, 0xce, 0, 1, 0, 0, 0xc2];
        let expected = [7, -1, 256, -256, 65536].map(Part::Number);
        assert_eq!(values(&numbers), Some([&expected[..], &[Part::Absent]].concat()));
        assert_eq!(values(&[0x90]), Some(Vec::new()));
        assert_eq!(values(&[0xa1, b'x']), None, "no array");
        assert_eq!(values(&[0x91, 0xa2, b'x']), None, "cut off");
        assert_eq!(values(&[0x91, 0x01, 0x01]), None, "too long");
        assert_eq!(values(&[0x91, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0]), None, "a fraction");
    }
}
