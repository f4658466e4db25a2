//! Gives the trading thread a core and memory of its own, as far as the system lets it.
//!
//! Every function says what it couldn't do, and the engine runs without it. The only file here
//! beside the journal's ring that may say `unsafe`.

#![expect(unsafe_code, reason = "affinity and locked memory are calls into libc")]

use std::io;
use std::mem;

/// What the system refused.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("there is no core {core}: this process may use {allowed:?}")]
    NoSuchCore { core: usize, allowed: Vec<usize> },
    #[error("the thread can't be bound to core {core}: {source}")]
    Affinity { core: usize, source: io::Error },
    #[error("core {core} is the only one, so that everything shares it")]
    OneCore { core: usize },
    #[error("memory can't be locked: {0}")]
    LockMemory(io::Error),
    #[error(
        "memory isn't locked, as this user may lock {allowed_kib} KiB only: give `ulimit -l \
         unlimited`, or LimitMEMLOCK=infinity to the service"
    )]
    LockLimit { allowed_kib: u64 },
}

/// Binds the calling thread to one core, which may be one that it was kept off before.
pub fn pin_to_core(core: usize) -> Result<(), PinError> {
    if core >= CORES_MAX {
        return Err(PinError::NoSuchCore { core, allowed: allowed_cores() });
    }
    match bind(&[core]) {
        Ok(()) => Ok(()),
        // The set holds no core that this machine and its control group give.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Err(PinError::NoSuchCore { core, allowed: allowed_cores() })
        }
        Err(source) => Err(PinError::Affinity { core, source }),
    }
}

/// Leaves a core to the thread that spins on it: the calling thread, and all that it starts from
/// now on, run elsewhere.
pub fn keep_off_core(core: usize) -> Result<(), PinError> {
    let others: Vec<usize> = allowed_cores().into_iter().filter(|&other| other != core).collect();
    if others.is_empty() {
        return Err(PinError::OneCore { core });
    }
    bind(&others).map_err(|source| PinError::Affinity { core, source })
}

fn bind(cores: &[usize]) -> io::Result<()> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for &core in cores {
        // SAFETY: callers give cores below `CORES_MAX`, so that the bit lies inside the set.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the set is initialised, outlives the call, and its true size is passed.
    let result = unsafe { libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The cores that the calling thread may run on; empty when the system won't tell.
#[must_use]
pub fn allowed_cores() -> Vec<usize> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the size that is passed, which is the set's own.
    let result = unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set) };
    if result != 0 {
        return Vec::new();
    }
    // SAFETY: `core` stays below the number of bits in a set.
    (0..CORES_MAX).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

/// Keeps every page of the process in memory from its first use on, now and later: a page that
/// was swapped out would delay an order by a disk's read.
///
/// Under a limit nothing is locked, for then a later allocation would fail where it reaches it.
pub fn lock_memory() -> Result<(), PinError> {
    if let Some(allowed_bytes) = lock_limit()
        && !may_lock_beyond_limit()
    {
        return Err(PinError::LockLimit { allowed_kib: allowed_bytes / 1_024 });
    }
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: takes flags only and touches no memory of ours.
    let result = unsafe { libc::mlockall(flags) };
    if result == 0 { Ok(()) } else { Err(PinError::LockMemory(io::Error::last_os_error())) }
}

/// How many bytes this process may lock; `None` when there is no limit.
fn lock_limit() -> Option<u64> {
    // SAFETY: an all-zero `rlimit` is a valid one.
    let mut limit: libc::rlimit = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes one `rlimit` to a place that holds one.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    match (result, limit.rlim_cur) {
        (0, libc::RLIM_INFINITY) => None,
        (0, bytes) => Some(bytes),
        _ => Some(0),
    }
}

/// Whether the process holds `CAP_IPC_LOCK`, to which the limit doesn't apply.
fn may_lock_beyond_limit() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
    held >> CAP_IPC_LOCK & 1 == 1
}

/// Touches the stack that the calling thread will use, so that no page fault comes later.
#[inline(never)]
pub fn prefault_stack() {
    let mut room = [0_u8; PREFAULT_BYTES];
    for page in room.iter_mut().step_by(PAGE_BYTES) {
        *page = 1;
    }
    std::hint::black_box(&room);
}

/// How many cores a `cpu_set_t` can name.
const CORES_MAX: usize = libc::CPU_SETSIZE as usize;
/// Its number in `capabilities(7)`.
const CAP_IPC_LOCK: u32 = 14;
const PREFAULT_BYTES: usize = 512 * 1024;
const PAGE_BYTES: usize = 4_096;

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_bound_to_the_core_it_asks_for() {
        std::thread::spawn(|| {
            let core = *allowed_cores().last().unwrap();
            pin_to_core(core).unwrap();
            assert_eq!(allowed_cores(), [core]);
            prefault_stack();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn who_is_kept_off_a_core_runs_elsewhere_and_may_still_bind_another_to_it() {
        std::thread::spawn(|| {
            let all = allowed_cores();
            let (&core, others) = all.split_last().unwrap();
            if others.is_empty() {
                let refused = keep_off_core(core);
                assert!(matches!(refused, Err(PinError::OneCore { core: named }) if named == core));
                return;
            }
            keep_off_core(core).unwrap();
            assert_eq!(allowed_cores(), others);
            let inherited = std::thread::spawn(allowed_cores).join().unwrap();
            assert_eq!(inherited, others);
            pin_to_core(core).unwrap();
            assert_eq!(allowed_cores(), [core]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_core_that_is_not_there_is_refused_by_name() {
        for core in [libc::CPU_SETSIZE as usize - 1, usize::MAX] {
            match pin_to_core(core) {
                Err(PinError::NoSuchCore { core: named, allowed }) => {
                    assert_eq!(named, core);
                    assert!(!allowed.is_empty());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
