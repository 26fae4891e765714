//! Depthwise convolutions: one filter for each channel.

/// A depthwise convolution of channels-last images `[batch, in_h, in_w, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Channels, of input and output alike.
    pub channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Height and width of the filters.
    pub kernel: [usize; 2],
    /// Vertical and horizontal.
    pub stride: [usize; 2],
    /// Rows above and columns left of the image; what lies beyond it at the other ends follows from the output's size.
    pub padding: [usize; 2],
    /// Vertical and horizontal.
    pub dilation: [usize; 2],
}

impl Depthwise {
    /// Output pixels of an image.
    pub fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Elements of an input image.
    pub(crate) fn image_len(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    /// Filter positions.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Where an output pixel's input under a tap begins in its image; `None` outside of it.
    #[inline(always)]
    pub(crate) fn source(&self, pixel: usize, tap: usize) -> Option<usize> {
        let out = [pixel / self.output[1], pixel % self.output[1]];
        let tap = [tap / self.kernel[1], tap % self.kernel[1]];
        let at = |axis: usize| {
            (out[axis] * self.stride[axis] + tap[axis] * self.dilation[axis])
                .checked_sub(self.padding[axis])
                .filter(|i| *i < self.input[axis])
        };
        Some((at(0)? * self.input[1] + at(1)?) * self.channels)
    }
}
