//! Depthwise convolution over channels-last images: channels are the lanes.

use super::Lanes;
use super::finish::{FinishBlock, Sum};
use super::vector::Vector;
use crate::blocks::Block;
use crate::depthwise::Depthwise;
use crate::finish::{Finish, Output};

/// A number that is multiplied and summed.
pub(crate) trait Term: Copy {
    type Sum: Sum + Default;
    fn add_product(sum: Self::Sum, a: Self, b: Self) -> Self::Sum;
}

impl Term for i8 {
    type Sum = i32;
    #[inline(always)]
    fn add_product(sum: i32, a: i8, b: i8) -> i32 {
        sum + i32::from(i16::from(a) * i16::from(b))
    }
}

impl Term for f32 {
    type Sum = f32;
    #[inline(always)]
    fn add_product(sum: f32, a: f32, b: f32) -> f32 {
        sum + a * b
    }
}

/// Output pixels `first..` of a batch, one row of channels each.
pub(crate) struct DepthwiseRows<'a, 'b, T: Term> {
    pub shape: Depthwise,
    pub images: &'a [T],
    /// What lies outside of an image.
    pub pad: T,
    /// Tap by tap, the weights of all channels.
    pub weights: &'a [T],
    pub first: usize,
    pub rows: usize,
    /// One a channel, and as many as fill whole panels.
    pub sums: &'a mut [T::Sum],
    pub finish: &'a Finish<'a>,
    pub output: Output<'b>,
}

impl<T: Term> Lanes for DepthwiseRows<'_, '_, T> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { shape, images, pad, weights, first, rows, sums, finish, mut output } = self;
        let channels = shape.channels;
        for top in 0..rows {
            let (image, pixel) = ((first + top) / shape.pixels(), (first + top) % shape.pixels());
            let image = &images[image * shape.image_len()..][..shape.image_len()];
            sums.fill(T::Sum::default());
            for (tap, weights) in weights.chunks_exact(channels).enumerate() {
                match shape.source(pixel, tap) {
                    Some(from) => {
                        for ((sum, x), w) in sums.iter_mut().zip(&image[from..from + channels]).zip(weights) {
                            *sum = T::add_product(*sum, *x, *w);
                        }
                    }
                    None => {
                        for (sum, w) in sums.iter_mut().zip(weights) {
                            *sum = T::add_product(*sum, pad, *w);
                        }
                    }
                }
            }
            let block = Block { top, rows: 1, left: 0, width: channels, acc: sums, ld: channels };
            FinishBlock { block, finish, output: &mut output, ld: channels }.run::<V>();
        }
    }
}
