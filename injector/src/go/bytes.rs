//! Bounds-checked little-endian reads from untrusted bytes.
//!
//! Everything returns `None` past the end: a damaged file must never be able to crash the reader.

use std::ffi::CStr;

/// The byte at an offset.
pub(super) fn u8_at(data: &[u8], offset: usize) -> Option<u8> {
    data.get(offset).copied()
}

/// The two bytes at an offset.
pub(super) fn u16_at(data: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array_at(data, offset)?))
}

/// The four bytes at an offset.
pub(super) fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array_at(data, offset)?))
}

/// The eight bytes at an offset.
pub(super) fn u64_at(data: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(array_at(data, offset)?))
}

/// A part of the data, if all of it is there.
pub(super) fn slice_at(data: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    data.get(offset..offset.checked_add(length)?)
}

/// The bytes up to a zero byte, as text; `None` if there is no zero byte or it is not UTF-8.
pub(super) fn c_string_at(data: &[u8], offset: usize) -> Option<&str> {
    CStr::from_bytes_until_nul(data.get(offset..)?)
        .ok()?
        .to_str()
        .ok()
}

/// An unsigned LEB128 number, and how many bytes it takes.
pub(super) fn uvarint(data: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (i, &byte) in data.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i as u32).min(63);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// A text behind its length, as `.go.buildinfo` has it, and what follows it.
pub(super) fn counted_string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, used) = uvarint(data)?;
    let length = usize::try_from(length).ok()?;
    let rest = data.get(used..)?;
    Some((rest.get(..length)?, rest.get(length..)?))
}

fn array_at<const N: usize>(data: &[u8], offset: usize) -> Option<[u8; N]> {
    slice_at(data, offset, N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        let data = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(u16_at(&data, 6), Some(0x0807));
        assert_eq!(u16_at(&data, 7), None);
        assert_eq!(u64_at(&data, 0), Some(0x0807_0605_0403_0201));
        assert_eq!(u64_at(&data, 1), None);
        assert_eq!(u32_at(&data, usize::MAX), None);
        assert_eq!(slice_at(&data, 4, usize::MAX), None);
    }

    #[test]
    fn strings_need_their_zero_byte() {
        assert_eq!(c_string_at(b"abc\0def", 0), Some("abc"));
        assert_eq!(c_string_at(b"abc\0def", 4), None);
        assert_eq!(c_string_at(b"\xff\0", 0), None);
    }

    #[test]
    fn varints_of_every_length() {
        assert_eq!(uvarint(&[0x7f]), Some((127, 1)));
        assert_eq!(uvarint(&[0x80, 0x01]), Some((128, 2)));
        assert_eq!(uvarint(&[0x80]), None);
        assert_eq!(uvarint(&[0xff; 20]), None);
        assert_eq!(
            counted_string(&[2, b'h', b'i', 9]),
            Some((&b"hi"[..], &[9_u8][..]))
        );
        assert_eq!(counted_string(&[200, 1, b'h']), None);
    }
}
