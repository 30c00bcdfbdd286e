//! How maps hold their entries.

use super::Binary;
use super::types::TypeId;

/// Entries come in groups of so many, behind as many control bytes.
const GROUP: u64 = 8;
/// Larger elements are kept elsewhere.
const LARGEST_INLINE: u64 = 128;
const WORD: u64 = 8;

/// Where keys and elements are in a map's groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MapLayout {
    /// Buckets, which a bucket of overflowing entries may follow: before Go 1.24.
    pub buckets: bool,
    /// Bytes of a group.
    pub group_size: u64,
    /// Where its first key is.
    pub keys: u64,
    /// How far the next one is.
    pub key_stride: u64,
    /// Where its first element is.
    pub elements: u64,
    /// How far the next one is.
    pub element_stride: u64,
    /// Elements are pointers to them.
    pub indirect: bool,
}

impl Binary {
    /// The layout of a map of such keys, of at most [`LARGEST_INLINE`] bytes, and elements.
    pub fn map_layout(&self, key: TypeId, element: TypeId) -> MapLayout {
        let types = self.types();
        let (key, element) = (types.get(key), types.get(element));
        let indirect = element.size > LARGEST_INLINE;
        let (size, align) = if indirect {
            (WORD, WORD)
        } else {
            (element.size, element.align)
        };
        let version = self.version();
        if !version.at_least(24) || version.has_experiment("noswissmap") {
            buckets(key.size, size, indirect)
        } else if version.has_experiment("mapsplitgroup") {
            split((key.size, key.align), (size, align), indirect)
        } else {
            interleaved((key.size, key.align), (size, align), indirect)
        }
    }
}

/// `runtime.bmap`: keys, then elements, then the next bucket's address.
fn buckets(key: u64, element: u64, indirect: bool) -> MapLayout {
    let elements = GROUP + GROUP * key;
    MapLayout {
        buckets: true,
        group_size: elements + GROUP * element + WORD,
        keys: GROUP,
        key_stride: key,
        elements,
        element_stride: element,
        indirect,
    }
}

/// Keys and elements by turns.
fn interleaved(key: (u64, u64), element: (u64, u64), indirect: bool) -> MapLayout {
    let (at, stride) = after(key, element);
    MapLayout {
        buckets: false,
        group_size: GROUP + GROUP * stride,
        keys: GROUP,
        key_stride: stride,
        elements: GROUP + at,
        element_stride: stride,
        indirect,
    }
}

/// Keys, then elements.
fn split(key: (u64, u64), element: (u64, u64), indirect: bool) -> MapLayout {
    let keys = (GROUP + GROUP * key.0, WORD);
    let (elements, group_size) = after(keys, (GROUP * element.0, element.1));
    MapLayout {
        buckets: false,
        group_size,
        keys: GROUP,
        key_stride: key.0,
        elements,
        element_stride: element.0,
        indirect,
    }
}

/// Where the second field of a struct of two is, and the struct's size. Go has no pointer to a field of no bytes at a struct's end point
/// behind it, and adds one byte.
fn after(first: (u64, u64), second: (u64, u64)) -> (u64, u64) {
    let at = first.0.next_multiple_of(second.1.max(1));
    let end = at + second.0 + u64::from(second.0 == 0);
    (at, end.next_multiple_of(first.1.max(second.1).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_where_go_puts_them() {
        // map[string]int32, map[string]struct{}, map[int32]string.
        let layout = interleaved((16, 8), (4, 4), false);
        assert_eq!(
            (layout.elements, layout.key_stride, layout.group_size),
            (24, 24, 200)
        );
        let layout = interleaved((16, 8), (0, 1), false);
        assert_eq!(
            (layout.elements, layout.key_stride, layout.group_size),
            (24, 24, 200)
        );
        let layout = interleaved((4, 4), (16, 8), false);
        assert_eq!(
            (layout.elements, layout.key_stride, layout.group_size),
            (16, 24, 200)
        );
        let layout = split((16, 8), (4, 4), false);
        assert_eq!(
            (layout.elements, layout.element_stride, layout.group_size),
            (136, 4, 168)
        );
        let layout = split((1, 1), (0, 1), false);
        assert_eq!((layout.keys, layout.elements, layout.group_size), (8, 16, 24));
        let layout = buckets(16, 4, false);
        assert_eq!((layout.elements, layout.group_size), (136, 176));
    }
}
