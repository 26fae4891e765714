//! Memory that begins where a cache line does.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;

/// A slice of its own whose first element lies at the beginning of a cache line.
///
/// The allocator gives 16 bytes, so that every load of 64 bytes would touch two lines, or none, by luck: a process would be
/// faster or slower for as long as it lives.
#[derive(Debug, Default)]
pub struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Nothing.
    pub const fn new() -> Self {
        Self { memory: Vec::new(), start: 0, len: 0 }
    }

    /// So many default values.
    pub fn zeroed(len: usize) -> Self {
        let mut aligned = Self::new();
        aligned.reset(len);
        aligned
    }

    /// So many default values in the same memory, which grows when needed.
    pub fn reset(&mut self, len: usize) {
        self.grow(len);
        self.len = len;
        self.fill(T::default());
    }

    /// At least `len` elements, whose values are whatever they were.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len >= len {
            return;
        }
        let needed = len + LINE.div_ceil(size_of::<T>().max(1));
        if self.memory.len() < needed {
            self.memory = vec![T::default(); needed];
            // Never more than a line, and 0 where an element is no part of one.
            self.start = self.memory.as_ptr().align_offset(LINE).min(needed - len);
        }
        self.len = len;
    }
}

impl<T: Copy + Default> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T: Copy + Default> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T: Copy + Default + PartialEq> PartialEq for Aligned<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Copy + Default + Eq> Eq for Aligned<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins_at_a_line<T>(values: &[T]) -> bool {
        values.as_ptr().addr().is_multiple_of(LINE)
    }

    #[test]
    fn every_length_and_every_copy_begins_at_a_line() {
        for len in [1, 3, 16, 100, 10_000] {
            let mut values = Aligned::<f32>::zeroed(len);
            assert!(begins_at_a_line(&values));
            values.fill(2.0);
            let copy = values.clone();
            assert!(begins_at_a_line(&copy));
            assert_eq!((copy.len(), &copy), (len, &values));
            values.reset(len);
            assert!(begins_at_a_line(&values) && values.iter().all(|v| *v == 0.0));
            values.grow(3 * len + 1);
            assert!(begins_at_a_line(&values) && values.len() == 3 * len + 1);
        }
        assert!(begins_at_a_line(&Aligned::<i8>::zeroed(7)));
        assert!(begins_at_a_line(&Aligned::<[i16; 2]>::zeroed(7)));
        assert!(Aligned::<f32>::zeroed(0).is_empty());
    }
}
