//! Memory of this process: resident, as the system sees it, and heap, as the allocator counts it.

use std::fs;

use peak_alloc::PeakAlloc;

/// The system's allocator, with the bytes in use counted: an atomic addition for each allocation, of which the
/// measured calls make few.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Bytes of the heap in use now, by what was asked for: the same on every machine, unlike resident memory.
#[must_use]
pub fn heap_bytes() -> u64 {
    HEAP.current_usage() as u64
}

/// Peak resident memory, in bytes, since the last [`reset_peak`]; `None` where the system does not say.
#[must_use]
pub fn peak_resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Lets the peak start again from the present resident size. Where that is not allowed the peak stays
/// that of the whole process, which is an upper bound.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_grows_by_what_is_held_and_shrinks_when_it_is_dropped() {
        // Other tests allocate beside this one, but not this much.
        const MUCH: usize = 1 << 30;
        let before = heap_bytes();
        let held: Vec<u8> = Vec::with_capacity(MUCH);
        assert!(heap_bytes() >= before + MUCH as u64 / 2);
        drop(held);
        assert!(heap_bytes() < before + MUCH as u64 / 2);
    }
}
