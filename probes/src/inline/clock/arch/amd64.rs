//! The time stamp counter.

/// What the kernel calls it, where it trusts it.
pub(super) const SOURCE: &str = "tsc";

/// What it shows.
pub(super) fn counter() -> u64 {
    // SAFETY: every processor of this architecture has it, and the kernel lets programs read it unless asked not to.
    unsafe { std::arch::x86_64::_rdtsc() }
}
