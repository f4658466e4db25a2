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
    #[error("memory can't be locked (see `ulimit -l`): {0}")]
    LockMemory(io::Error),
}

/// Binds the calling thread to one core.
pub fn pin_to_core(core: usize) -> Result<(), PinError> {
    let allowed = allowed_cores();
    if !allowed.contains(&core) {
        return Err(PinError::NoSuchCore { core, allowed });
    }
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `core` came out of a set of the same size, so that its bit lies inside.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the set is initialised, outlives the call, and its true size is passed.
    let result = unsafe { libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set) };
    if result == 0 {
        Ok(())
    } else {
        Err(PinError::Affinity { core, source: io::Error::last_os_error() })
    }
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
    let most = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: `core` stays below the number of bits in a set.
    (0..most).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

/// Keeps every page of the process, now and later, in memory.
pub fn lock_memory() -> Result<(), PinError> {
    // SAFETY: takes flags only and touches no memory of ours.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 { Ok(()) } else { Err(PinError::LockMemory(io::Error::last_os_error())) }
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
