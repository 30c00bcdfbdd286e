//! The kernel's own flags of a process.

/// `PF_EXITING` in `include/linux/sched.h`.
pub(super) const EXITING: u64 = 0x0000_0004;
/// `PF_KTHREAD` there.
pub const KERNEL_THREAD: u64 = 0x0020_0000;

/// Whether a process has one of these flags, by its `/proc/PID/stat`.
pub fn has_flag(stat: &str, flag: u64) -> bool {
    // The name may have any characters; behind it are the state, five numbers and the flags.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let flags = behind_name.split_whitespace().nth(6).map(str::parse::<u64>);
    flags.is_some_and(|flags| flags.is_ok_and(|flags| flags & flag != 0))
}
