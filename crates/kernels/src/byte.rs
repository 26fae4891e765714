//! Activations that kernels which multiply bytes take as unsigned.

/// An 8-bit activation type.
pub(crate) trait Byte: Copy {
    /// What is added to make it unsigned.
    const OFFSET: i32;
    fn unsigned(self) -> u8;
}

impl Byte for u8 {
    const OFFSET: i32 = 0;
    fn unsigned(self) -> u8 {
        self
    }
}

impl Byte for i8 {
    const OFFSET: i32 = 128;
    fn unsigned(self) -> u8 {
        self as u8 ^ 0x80
    }
}
