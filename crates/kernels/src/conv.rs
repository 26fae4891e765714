//! Convolution as a matrix product: geometry and im2col.

use crate::KernelError;

/// The geometry of a 2-D convolution on one image in CHW layout. Sizes in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dGeometry {
    /// Input channels, all groups together.
    pub in_channels: usize,
    /// Input height.
    pub in_h: usize,
    /// Input width.
    pub in_w: usize,
    /// Kernel height.
    pub kernel_h: usize,
    /// Kernel width.
    pub kernel_w: usize,
    /// Vertical step.
    pub stride_h: usize,
    /// Horizontal step.
    pub stride_w: usize,
    /// Rows of padding above.
    pub pad_top: usize,
    /// Columns of padding to the left.
    pub pad_left: usize,
    /// Rows of padding below.
    pub pad_bottom: usize,
    /// Columns of padding to the right.
    pub pad_right: usize,
    /// Vertical distance between kernel taps; 1 is dense.
    pub dilation_h: usize,
    /// Horizontal distance between kernel taps; 1 is dense.
    pub dilation_w: usize,
    /// Groups: the input channels are split evenly among them.
    pub groups: usize,
}

impl Conv2dGeometry {
    /// The geometry itself, once checked: `Conv2dGeometry { .. }.validate()?`.
    ///
    /// # Errors
    /// [`KernelError::Geometry`] naming the field, where a size, stride, dilation or the number of
    /// groups is 0, the groups do not divide the channels, or the kernel is larger than the padded
    /// image.
    pub fn validate(self) -> Result<Self, KernelError> {
        let at_least_one = [
            ("in_channels", self.in_channels),
            ("in_h", self.in_h),
            ("in_w", self.in_w),
            ("kernel_h", self.kernel_h),
            ("kernel_w", self.kernel_w),
            ("stride_h", self.stride_h),
            ("stride_w", self.stride_w),
            ("dilation_h", self.dilation_h),
            ("dilation_w", self.dilation_w),
            ("groups", self.groups),
        ];
        for (field, got) in at_least_one {
            if got == 0 {
                return fail(field, got, "at least 1".to_owned());
            }
        }
        if !self.in_channels.is_multiple_of(self.groups) {
            let expected = format!("a divisor of in_channels = {}", self.in_channels);
            return fail("groups", self.groups, expected);
        }
        let (span_h, padded_h) = self.spans_h();
        if span_h > padded_h {
            let expected = format!(
                "a kernel whose extent ({span_h} with dilation {}) fits the padded height {padded_h}",
                self.dilation_h
            );
            return fail("kernel_h", self.kernel_h, expected);
        }
        let (span_w, padded_w) = self.spans_w();
        if span_w > padded_w {
            let expected = format!(
                "a kernel whose extent ({span_w} with dilation {}) fits the padded width {padded_w}",
                self.dilation_w
            );
            return fail("kernel_w", self.kernel_w, expected);
        }
        Ok(self)
    }

    /// Output height: `(in_h + pad_top + pad_bottom − dilation_h · (kernel_h − 1) − 1) / stride_h + 1`.
    pub fn out_h(&self) -> usize {
        let (span, padded) = self.spans_h();
        (padded - span) / self.stride_h + 1
    }

    /// Output width, as [`out_h`](Self::out_h).
    pub fn out_w(&self) -> usize {
        let (span, padded) = self.spans_w();
        (padded - span) / self.stride_w + 1
    }

    /// Elements of one patch of one group: `in_channels / groups · kernel_h · kernel_w`.
    pub fn patch_len(&self) -> usize {
        self.in_channels / self.groups * self.kernel_h * self.kernel_w
    }

    /// (extent of the kernel, padded height)
    fn spans_h(&self) -> (usize, usize) {
        let span = self.dilation_h * (self.kernel_h - 1) + 1;
        (span, self.in_h + self.pad_top + self.pad_bottom)
    }

    /// (extent of the kernel, padded width)
    fn spans_w(&self) -> (usize, usize) {
        let span = self.dilation_w * (self.kernel_w - 1) + 1;
        (span, self.in_w + self.pad_left + self.pad_right)
    }
}

fn fail<T>(field: &'static str, got: usize, expected: String) -> Result<T, KernelError> {
    Err(KernelError::Geometry { field, got, expected })
}

/// Lays out the patches of one group as rows: `out[out_h · out_w, patch_len]`, row-major, each row
/// in (channel, kernel row, kernel column) order, so that it meets `[out_channels, patch_len]`
/// weights.
///
/// `x` is one image, CHW, all groups. Taps outside the image get `pad_value`: the zero point, for
/// quantized images. `geometry` must have passed [`validate`](Conv2dGeometry::validate).
///
/// # Panics
/// When `group` is not below `groups`, or `x` or `out` has the wrong length.
pub fn im2col<T: Copy>(geometry: &Conv2dGeometry, group: usize, x: &[T], pad_value: T, out: &mut [T]) {
    let g = geometry;
    let (out_h, out_w, patch) = (g.out_h(), g.out_w(), g.patch_len());
    let plane = g.in_h * g.in_w;
    assert!(group < g.groups, "im2col: group {group} of {} groups", g.groups);
    assert!(
        x.len() == g.in_channels * plane,
        "im2col: x has {} elements, [{}, {}, {}] needs {}",
        x.len(),
        g.in_channels,
        g.in_h,
        g.in_w,
        g.in_channels * plane
    );
    assert!(
        out.len() == out_h * out_w * patch,
        "im2col: out has {} elements, [{}, {patch}] needs {}",
        out.len(),
        out_h * out_w,
        out_h * out_w * patch
    );
    let channels = g.in_channels / g.groups;
    let x = &x[group * channels * plane..][..channels * plane];
    for (position, row) in out.chunks_exact_mut(patch).enumerate() {
        // Coordinates of the first tap, in the padded image.
        let top = position / out_w * g.stride_h;
        let left = position % out_w * g.stride_w;
        let inside = left >= g.pad_left && left - g.pad_left + g.kernel_w <= g.in_w && g.dilation_w == 1;
        for (run, taps) in row.chunks_exact_mut(g.kernel_w).enumerate() {
            let (channel, ky) = (run / g.kernel_h, run % g.kernel_h);
            let y = (top + ky * g.dilation_h).wrapping_sub(g.pad_top);
            if y >= g.in_h {
                taps.fill(pad_value);
                continue;
            }
            let line = &x[channel * plane + y * g.in_w..][..g.in_w];
            if inside {
                taps.copy_from_slice(&line[left - g.pad_left..][..g.kernel_w]);
                continue;
            }
            for (kx, tap) in taps.iter_mut().enumerate() {
                let at = (left + kx * g.dilation_w).wrapping_sub(g.pad_left);
                *tap = line.get(at).copied().unwrap_or(pad_value);
            }
        }
    }
}

macro_rules! im2col_for {
    ($name:ident, $t:ty, $what:literal) => {
        #[doc = concat!("[`im2col`] for ", $what, " images.")]
        ///
        /// # Panics
        /// As [`im2col`].
        pub fn $name(geometry: &Conv2dGeometry, group: usize, x: &[$t], pad_value: $t, out: &mut [$t]) {
            im2col(geometry, group, x, pad_value, out);
        }
    };
}

im2col_for!(im2col_s8, i8, "int8");
im2col_for!(im2col_s16, i16, "int16");
im2col_for!(im2col_f32, f32, "f32");

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Conv2dGeometry {
        Conv2dGeometry {
            in_channels: 2,
            in_h: 3,
            in_w: 3,
            kernel_h: 2,
            kernel_w: 2,
            stride_h: 1,
            stride_w: 1,
            pad_top: 0,
            pad_left: 0,
            pad_bottom: 0,
            pad_right: 0,
            dilation_h: 1,
            dilation_w: 1,
            groups: 2,
        }
    }

    #[test]
    fn one_group_of_a_small_image() {
        let x: Vec<i8> = (0..18).collect();
        let mut out = [0; 16];
        im2col_s8(&geometry(), 1, &x, 0, &mut out);
        let expected = [9, 10, 12, 13, 10, 11, 13, 14, 12, 13, 15, 16, 13, 14, 16, 17];
        assert_eq!(out, expected);
    }

    #[test]
    fn errors_name_the_field() {
        let message = |g: Conv2dGeometry| g.validate().unwrap_err().to_string();
        let ok = geometry();
        assert!(ok.validate().is_ok());
        assert!(message(Conv2dGeometry { stride_w: 0, ..ok }).contains("stride_w is 0"));
        assert!(message(Conv2dGeometry { groups: 3, ..ok }).contains("in_channels = 2"));
        let wide = Conv2dGeometry { dilation_h: 3, ..ok };
        assert!(message(wide).contains("padded height 3"));
    }
}
