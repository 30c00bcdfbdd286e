//! Finds the function table and reads its header.

use std::borrow::Cow;

use super::table::{Form, Parts, Table, TableBytes};
use crate::go::address::Address;
use crate::go::arch::Architecture;
use crate::go::bytes::{u32_at, u64_at};
use crate::go::elf::Segment;
use crate::go::image::Image;

const POINTER_SIZE: u8 = 8;
/// What begins like a header is in few places; a bound for damaged files.
const MAX_PLACES: usize = 8;
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

impl Table {
    /// Finds the table. The error says why there is none.
    pub(in crate::go) fn find(image: &Image) -> Result<Table, String> {
        let mut refusal = None;
        for (address, size) in by_section(image) {
            match Table::parse(image, address, size) {
                Ok(table) => return Ok(table),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        // Without section headers, or in a section of another name, the header itself is found.
        for (address, size) in by_scanning(image).take(MAX_PLACES) {
            if let Ok(table) = Table::parse(image, address, size)
                && table.is_plausible()
            {
                return Ok(table);
            }
        }
        Err(refusal.unwrap_or_else(|| "there is none".to_owned()))
    }

    fn parse(image: &Image, address: Address, size: usize) -> Result<Table, String> {
        let data = image.read(address, size).ok_or("it is not in the file")?;
        let form = header_form(data, image.elf().architecture).ok_or("its header is in no known form")?;
        let bytes = match form {
            // Older tables have pointers in them, and their linkers may have left them to the
            // dynamic linker.
            Form::Go12 | Form::Go116 => match image.relocated(address, size) {
                Some(Cow::Owned(copied)) => TableBytes::Copied(copied),
                _ => in_file(image, address, size)?,
            },
            _ => in_file(image, address, size)?,
        };
        let header_size = if form >= Form::Go118 { 72 } else { 64 };
        let header = image
            .relocated(address, header_size.min(size))
            .ok_or("its header is cut off")?;
        let word = |n: usize| u64_at(&header, 8 + 8 * n).and_then(|v| usize::try_from(v).ok());
        let count = word(0).ok_or("its header is cut off")?;
        let mut text_start = 0;
        let parts = match form {
            Form::Go12 => {
                let functions = 16;
                let files = count
                    .checked_mul(16)
                    .and_then(|n| n.checked_add(functions + 8))
                    .and_then(|at| u32_at(data, at))
                    .ok_or("its index is cut off")?;
                Some(Parts {
                    names: 0,
                    units: 0,
                    files: files as usize,
                    values: 0,
                    functions,
                })
            }
            Form::Go116 => parts_of([word(2), word(3), word(4), word(5), word(6)]),
            Form::Go118 | Form::Go120 => {
                text_start = word(2).ok_or("its header is cut off")? as u64;
                parts_of([word(3), word(4), word(5), word(6), word(7)])
            }
        };
        let parts = parts.ok_or("its header is cut off")?;
        let index = count
            .checked_mul(form.index_entry())
            .and_then(|n| n.checked_add(parts.functions));
        if count == 0 || index.is_none_or(|end| end > size) {
            return Err("its index does not fit into it".to_owned());
        }
        Ok(Table {
            bytes,
            address,
            form,
            parts,
            count,
            unit: image.elf().architecture.instruction_alignment(),
            text_start,
        })
    }

    /// Whether what was found by scanning is a table and not just bytes that look like a header.
    fn is_plausible(&self) -> bool {
        [0, self.count / 2, self.count - 1].into_iter().all(|n| {
            self.record(n)
                .and_then(|r| r.name())
                .is_some_and(|name| !name.is_empty())
        })
    }
}

fn in_file(image: &Image, address: Address, size: usize) -> Result<TableBytes, String> {
    let start = image.file_offset(address).and_then(|o| usize::try_from(o.0).ok());
    let start = start.ok_or("it is not in the file")?;
    Ok(TableBytes::InFile(image.clone(), start..start + size))
}

fn parts_of(offsets: [Option<usize>; 5]) -> Option<Parts> {
    let [names, units, files, values, functions] = offsets;
    Some(Parts {
        names: names?,
        units: units?,
        files: files?,
        values: values?,
        functions: functions?,
    })
}

fn header_form(data: &[u8], architecture: Architecture) -> Option<Form> {
    // First what rules out nearly all words of a whole program at once.
    let [.., 0, 0, alignment, POINTER_SIZE] = *data.first_chunk::<8>()? else {
        return None;
    };
    if alignment != architecture.instruction_alignment() {
        return None;
    }
    Form::of_magic(u32_at(data, 0)?)
}

fn by_section(image: &Image) -> Vec<(Address, usize)> {
    SECTIONS
        .iter()
        .filter_map(|name| image.elf().section(name).filter(|s| !s.no_bits))
        .filter_map(|s| Some((Address(s.address), usize::try_from(s.size).ok()?)))
        .collect()
}

/// Everything in the loaded segments that begins like a table; it reaches to the segment's end. Linkers seldom put tables
/// beside code, which is most of a program, so that comes last.
fn by_scanning(image: &Image) -> impl Iterator<Item = (Address, usize)> {
    let mut segments: Vec<&Segment> = image.elf().segments.iter().collect();
    segments.sort_by_key(|segment| segment.executable);
    let architecture = image.elf().architecture;
    segments.into_iter().flat_map(move |segment| {
        let bytes = image.elf().segment_contents(image.data(), segment);
        let skew = (segment.address.wrapping_neg() & 7) as usize;
        let words = bytes.get(skew..).unwrap_or_default().chunks_exact(8);
        let heads = words.zip((skew..).step_by(8));
        let heads = heads.filter(move |(word, _)| header_form(word, architecture).is_some());
        heads.map(|(_, at)| (Address(segment.address).plus(at as u64), bytes.len() - at))
    })
}
