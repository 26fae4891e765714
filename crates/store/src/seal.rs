//! A checksum inside a Parquet file, over the whole file.
//!
//! Parquet has none that our decoder checks, and on some damaged files that decoder asks for exabytes and
//! aborts the process, which no caller can catch. So a file is checked before it is decoded. The checksum is
//! the value of a key in the file's metadata: a place of fixed width, zeros while the sum is taken.

/// The key of the checksum in the file's metadata.
pub(crate) const KEY: &str = "calibench.seal";

/// The value before the sum is known: a mark to find it by, then sixteen hexadecimal digits.
pub(crate) const BLANK: &str = "fnv1a64:0000000000000000";

const MARK: &[u8] = b"fnv1a64:";
const DIGITS: usize = 16;

/// What the seal of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// The file is as it was written.
    Intact,
    /// The file was changed after it was written.
    Broken,
    /// The file has no seal: it was not written here.
    Absent,
}

/// FNV-1a, 64 bits: enough against accidents, and no dependency.
///
/// Source: draft-eastlake-fnv.
fn fnv1a64(parts: [&[u8]; 3]) -> u64 {
    parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where the digits start. The metadata follows all data, so the last mark is the seal's, whatever texts say.
fn digits_at(bytes: &[u8]) -> Option<usize> {
    let start = bytes.windows(MARK.len()).rposition(|window| window == MARK)? + MARK.len();
    (start + DIGITS <= bytes.len()).then_some(start)
}

fn digits_of(bytes: &[u8], start: usize) -> String {
    let blank = &BLANK.as_bytes()[MARK.len()..];
    format!("{:016x}", fnv1a64([&bytes[..start], blank, &bytes[start + DIGITS..]]))
}

/// Writes the checksum into the blank; a file without a blank stays as it is.
pub(crate) fn seal(bytes: &mut [u8]) {
    if let Some(start) = digits_at(bytes) {
        let digits = digits_of(bytes, start);
        bytes[start..start + DIGITS].copy_from_slice(digits.as_bytes());
    }
}

/// Checks the checksum.
pub(crate) fn check(bytes: &[u8]) -> Seal {
    match digits_at(bytes) {
        None => Seal::Absent,
        Some(start) if bytes[start..start + DIGITS] == *digits_of(bytes, start).as_bytes() => Seal::Intact,
        Some(_) => Seal::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // From the draft's test vectors.
        assert_eq!(fnv1a64([b"", b"", b""]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64([b"a", b"", b""]), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a64([b"foo", b"b", b"ar"]), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_flipped_byte_shows() {
        let mut bytes = format!("some data fnv1a64:text {BLANK} and a tail").into_bytes();
        seal(&mut bytes);
        assert_eq!(check(&bytes), Seal::Intact);
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1;
            assert_ne!(check(&flipped), Seal::Intact, "{index}");
        }
        assert_eq!(check(b"nothing"), Seal::Absent);
        assert_eq!(check(b"fnv1a64:short"), Seal::Absent);
    }
}
