//! Rows in memory that others change at the same time: the BPF program, another core.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A table in shared memory. Rows are read and written as a whole or by the core, never borrowed.
#[derive(Debug)]
pub struct Rows<T> {
    memory: MmapRaw,
    length: usize,
    row: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes + Immutable + Copy> Rows<T> {
    /// Rows of goinject's own, all zero.
    pub fn own(length: usize) -> io::Result<Rows<T>> {
        let memory = MmapMut::map_anon((length * size_of::<T>()).max(1))?;
        Ok(Rows {
            memory: memory.into(),
            length,
            row: PhantomData,
        })
    }

    /// The rows of a BPF array.
    pub(crate) fn of_map(map: BorrowedFd<'_>, length: usize) -> io::Result<Rows<T>> {
        let memory = MmapOptions::new()
            .len((length * size_of::<T>()).max(1))
            .map_raw(map.as_raw_fd())?;
        Ok(Rows {
            memory,
            length,
            row: PhantomData,
        })
    }

    /// Rows in a file of memory, from an offset on that is of a page.
    pub(crate) fn of_file(file: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Rows<T>> {
        let memory = MmapOptions::new()
            .offset(offset)
            .len((length * size_of::<T>()).max(1))
            .map_raw(file.as_raw_fd())?;
        Ok(Rows {
            memory,
            length,
            row: PhantomData,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where they are.
    pub(crate) fn as_mut_ptr(&self) -> *mut T {
        self.memory.as_mut_ptr().cast()
    }

    /// A row as it is now.
    pub fn get(&self, row: usize) -> Option<T> {
        // SAFETY: within the mapping, which starts at a page; others change it meanwhile, hence volatile. Any
        // bytes are a value of the type.
        (row < self.length).then(|| unsafe { self.as_mut_ptr().add(row).read_volatile() })
    }

    /// Some rows as they are now.
    pub fn range(&self, first: usize, count: usize) -> Vec<T> {
        (first..first + count).filter_map(|row| self.get(row)).collect()
    }

    /// Overwrites rows from `first` on.
    ///
    /// # Panics
    /// If they reach beyond the end.
    pub fn set(&self, first: usize, rows: &[T]) {
        assert!(
            first + rows.len() <= self.length,
            "rows beyond the end of a table"
        );
        // SAFETY: within the mapping, as asserted, and not overlapping what is borrowed, for nothing of it ever is.
        unsafe {
            self.as_mut_ptr()
                .add(first)
                .copy_from_nonoverlapping(rows.as_ptr(), rows.len());
        }
    }
}
