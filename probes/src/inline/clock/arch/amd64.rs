//! The time stamp counter.

/// What the kernel calls it, where it trusts it.
pub(in crate::inline::clock) const SOURCE: &str = "tsc";

/// What it shows.
pub(in crate::inline::clock) fn counter() -> u64 {
    // SAFETY: every processor of this architecture has it, and the kernel lets programs read it unless asked not to.
    unsafe { std::arch::x86_64::_rdtsc() }
}
