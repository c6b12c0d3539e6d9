//! A mark for free space on a disk.

use super::parse_size;

/// A mark: so many bytes, or so large a part of the disk, whichever is more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// Bytes.
    pub bytes: u64,
    /// Hundredths of the disk's size.
    pub percent: u8,
}

impl Watermark {
    /// The mark in bytes on a disk of this size.
    #[must_use]
    pub fn on(&self, total: u64) -> u64 {
        self.bytes.max(total / 100 * u64::from(self.percent))
    }

    /// Reads `2GiB`, `10%` or `2GiB, 10%`, in any order.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut mark = Self::default();
        for part in text.split(',').map(str::trim) {
            match part.strip_suffix('%') {
                Some(percent) => mark.percent = percent.trim().parse().ok().filter(|percent| *percent < 100)?,
                None => mark.bytes = u64::try_from(parse_size(part)?).ok()?,
            }
        }
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::Watermark;

    #[test]
    fn the_larger_of_bytes_and_part_counts() {
        const GIB: u64 = 1 << 30;
        for (text, total, mark) in [
            ("2GiB, 10%", 10 * GIB, Some(2 * GIB)),
            ("10%,2GiB", 100 * GIB, Some(10 * (100 * GIB / 100))),
            ("1MiB", GIB, Some(1 << 20)),
            ("3%", 1000, Some(30)),
            ("0B", GIB, Some(0)),
            ("much", GIB, None),
            ("100%", GIB, None),
            ("-1%", GIB, None),
            ("", GIB, None),
        ] {
            assert_eq!(Watermark::parse(text).map(|mark| mark.on(total)), mark, "{text}");
        }
    }
}
