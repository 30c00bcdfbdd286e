//! `/proc/PID/maps`: what is mapped where.

use std::io;
use std::ops::Range;

use super::arch;

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Addresses.
    pub range: Range<u64>,
    /// Whether code runs there.
    pub executable: bool,
    /// Whether the process may write there.
    pub writable: bool,
    /// Whether other processes see what it writes.
    pub shared: bool,
    /// Offset in the file.
    pub offset: u64,
    /// Inode of the file; 0 for none.
    pub inode: u64,
    /// The file, or `[stack]`, `[vdso]`; empty for anonymous memory.
    pub name: String,
}

/// Bytes of a page, as this host has them.
pub fn page_size() -> u64 {
    // SAFETY: sysconf has no preconditions.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("every kernel has pages")
}

/// The mappings of a process, in order of address.
pub fn read(pid: i32) -> io::Result<Vec<Mapping>> {
    Ok(parse(&std::fs::read_to_string(format!("/proc/{pid}/maps"))?))
}

fn parse(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    let permissions = fields.next()?;
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let _device = fields.next()?;
    let inode = fields.next()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim_start().to_owned();
    Some(Mapping {
        range,
        executable: permissions.contains('x'),
        writable: permissions.contains('w'),
        shared: permissions.contains('s'),
        offset,
        inode,
        name,
    })
}

/// A hole of `size` bytes whose every byte is within reach of `near` for relative branches and
/// addresses.
pub fn hole_near(mappings: &[Mapping], near: u64, size: u64) -> Option<u64> {
    const LOWEST: u64 = 1 << 20;
    let low = near.saturating_sub(arch::REACH).max(LOWEST);
    let high = near.saturating_add(arch::REACH) - size;
    let mut best: Option<u64> = None;
    let mut consider = |candidate: u64| {
        let distance = |address: u64| address.abs_diff(near);
        if (low..=high).contains(&candidate) && best.is_none_or(|best| distance(candidate) < distance(best)) {
            best = Some(candidate);
        }
    };
    let mut free = LOWEST;
    let end = [u64::MAX];
    for start in mappings.iter().map(|mapping| mapping.range.start).chain(end) {
        if start.saturating_sub(free) >= size {
            consider(free.max(low));
            consider((start - size).min(high) & !(page_size() - 1));
        }
        free = mappings
            .iter()
            .find(|mapping| mapping.range.start == start)
            .map_or(start, |m| m.range.end);
    }
    best.filter(|address| {
        !mappings
            .iter()
            .any(|m| m.range.start < address + size && *address < m.range.end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-0049a000 r-xp 00000000 fe:00 123                                /tmp/a b
0049a000-00560000 r--p 0009a000 fe:00 123                                /tmp/a b
c000000000-c000400000 rw-p 00000000 00:00 0 
7ffff7fc9000-7ffff7fcd000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn lines_are_read_with_spaces_in_names() {
        let mappings = parse(MAPS);
        assert_eq!(mappings.len(), 4);
        assert_eq!(mappings[0].name, "/tmp/a b");
        assert!(mappings[0].executable && !mappings[1].executable);
        assert!(mappings[2].writable && !mappings[1].writable);
        assert_eq!(mappings[1].offset, 0x9a000);
        assert_eq!(mappings[3].range, 0x7fff_f7fc_9000..0x7fff_f7fc_d000);
    }

    #[test]
    fn a_hole_is_free_and_near() {
        let mappings = parse(MAPS);
        let hole = hole_near(&mappings, 0x40_1000, 0x10000).unwrap();
        assert_eq!(hole, 0x3f_0000);
        let hole = hole_near(&mappings, 0x7fff_f7fc_a000, 0x1000).unwrap();
        assert_eq!(hole, 0x7fff_f7fc_8000);
        let full = [Mapping {
            range: 0..u64::MAX,
            ..mappings[0].clone()
        }];
        assert_eq!(hole_near(&full, 0x40_1000, 0x1000), None);
    }
}
