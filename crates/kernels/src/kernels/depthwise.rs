//! Depthwise convolutions.

use std::cell::RefCell;

use super::{check_finish, check_len};
use crate::{
    Aligned, Depthwise, Finish, Kernels, Output,
    lanes::{self, depthwise::DepthwiseRows},
    pack::PANEL,
};

thread_local! {
    static SUMS: RefCell<Aligned<i32>> = const { RefCell::new(Aligned::new()) };
    static SUMS_F32: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::new()) };
}

impl Kernels {
    /// Output pixels `first..first + rows`, counted over the batch, of a depthwise convolution of int8 codes, exact in
    /// i32; then `finish`.
    ///
    /// `images` is channels-last; `weights` is `[kernel_h, kernel_w, channels]`; `pad` is the code of what lies outside
    /// of an image: the zero point. Rows of the output are `channels` long, without space between.
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn depthwise_s8(
        &self,
        shape: Depthwise,
        images: &[i8],
        pad: i8,
        weights: &[i8],
        (first, rows): (usize, usize),
        finish: &Finish<'_>,
        output: Output<'_>,
    ) {
        check("depthwise_s8", shape, images.len(), weights.len(), (first, rows), finish, &output);
        let mut memory = SUMS.take();
        let lanes = shape.channels.next_multiple_of(PANEL);
        memory.grow(lanes);
        let sums = &mut memory[..lanes];
        lanes::run(
            self.proof,
            DepthwiseRows { shape, images, pad, weights, first, rows, sums, finish, output },
        );
        SUMS.set(memory);
    }

    /// The same in fp32; what lies outside of an image is 0.
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn depthwise_f32(
        &self,
        shape: Depthwise,
        images: &[f32],
        weights: &[f32],
        (first, rows): (usize, usize),
        finish: &Finish<'_>,
        output: Output<'_>,
    ) {
        check("depthwise_f32", shape, images.len(), weights.len(), (first, rows), finish, &output);
        let mut memory = SUMS_F32.take();
        let lanes = shape.channels.next_multiple_of(PANEL);
        memory.grow(lanes);
        let sums = &mut memory[..lanes];
        let pad = 0.0;
        lanes::run(
            self.proof,
            DepthwiseRows { shape, images, pad, weights, first, rows, sums, finish, output },
        );
        SUMS_F32.set(memory);
    }
}

#[track_caller]
fn check(
    op: &str,
    shape: Depthwise,
    images: usize,
    weights: usize,
    (first, rows): (usize, usize),
    finish: &Finish<'_>,
    output: &Output<'_>,
) {
    check_len(op, "weights", weights, shape.taps() * shape.channels);
    check_finish(op, rows, shape.channels, finish, output, shape.channels);
    let needed = (first + rows).div_ceil(shape.pixels().max(1)) * shape.image_len();
    assert!(
        images >= needed,
        "{op}: images have {images} elements, {rows} rows from {first} on need {needed}"
    );
}
