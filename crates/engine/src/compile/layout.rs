//! Moving elements: permutations, channels-last conversion and patch rows.

use calibench_kernels::Depthwise;

/// Most axes of a tensor whose axes are permuted, the batch not counted.
pub(super) const MAX_RANK: usize = 8;

/// Copies `src` (row-major `dims`) to `dst` with axis i of the result being axis `axes[i]` of the source.
///
/// # Panics
/// With more than [`MAX_RANK`] axes.
pub(super) fn permute<T: Copy>(src: &[T], dims: &[usize], axes: &[usize], dst: &mut [T]) {
    // An image that becomes channels-last, or is it no longer: the first axes change places with the rest.
    let turned = axes.first().copied().unwrap_or(0);
    if axes.iter().copied().eq((turned..dims.len()).chain(0..turned)) {
        return transpose(src, dims[..turned].iter().product(), dst);
    }
    let rank = dims.len();
    let mut strides = [1; MAX_RANK];
    for i in (0..rank.saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * dims[i + 1];
    }
    let (inner, inner_stride) = axes.last().map_or((1, 1), |axis| (dims[*axis], strides[*axis]));
    let outer = &axes[..rank.saturating_sub(1)];
    let mut index = [0; MAX_RANK];
    for row in dst[..src.len()].chunks_exact_mut(inner) {
        let base: usize = index.iter().zip(outer).map(|(i, axis)| i * strides[*axis]).sum();
        if inner_stride == 1 {
            row.copy_from_slice(&src[base..base + inner]);
        } else {
            for (i, value) in row.iter_mut().enumerate() {
                *value = src[base + i * inner_stride];
            }
        }
        for (index, axis) in index.iter_mut().zip(outer).rev() {
            *index += 1;
            if *index < dims[*axis] {
                break;
            }
            *index = 0;
        }
    }
}

/// Writes a matrix of so many rows column by column.
fn transpose<T: Copy>(src: &[T], rows: usize, dst: &mut [T]) {
    /// Columns whose results stay in the first-level cache.
    const BLOCK: usize = 64;
    let columns = src.len() / rows.max(1);
    if rows <= 1 || columns <= 1 {
        return dst[..src.len()].copy_from_slice(src);
    }
    for (first, out) in (0..columns).step_by(BLOCK).zip(dst[..src.len()].chunks_mut(BLOCK * rows)) {
        for (r, row) in src.chunks_exact(columns).enumerate() {
            for (to, from) in out.chunks_exact_mut(rows).zip(&row[first..]) {
                to[r] = *from;
            }
        }
    }
}

/// A convolution over channels-last images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvShape {
    pub channels: usize,
    pub in_h: usize,
    pub in_w: usize,
    pub kernel_h: usize,
    pub kernel_w: usize,
    /// Height and width.
    pub stride: [usize; 2],
    /// Top and left; what lies beyond the image at bottom and right follows from the output size.
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
    pub out_h: usize,
    pub out_w: usize,
}

impl ConvShape {
    /// Elements of one patch row of one group: kernel height × width × channels of the group.
    pub(super) fn patch_len(&self) -> usize {
        self.kernel_h * self.kernel_w * self.channels / self.groups
    }

    /// Output pixels per image.
    pub(super) fn rows(&self) -> usize {
        self.out_h * self.out_w
    }

    /// Whether the input, as it lies, already is the matrix of patch rows.
    pub(super) fn is_pointwise(&self) -> bool {
        (self.kernel_h, self.kernel_w, self.stride, self.groups) == (1, 1, [1, 1], 1)
            && self.padding == [0, 0]
            && (self.out_h, self.out_w) == (self.in_h, self.in_w)
    }

    /// Whether each output channel sees one input channel, its own.
    pub(super) fn is_depthwise(&self, out_channels: usize) -> bool {
        self.groups > 1 && self.groups == self.channels && self.groups == out_channels
    }

    pub(super) fn depthwise(&self) -> Depthwise {
        Depthwise {
            channels: self.channels,
            input: [self.in_h, self.in_w],
            output: [self.out_h, self.out_w],
            kernel: [self.kernel_h, self.kernel_w],
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
        }
    }

    /// Writes patch rows `first..first + count` (counted over the batch) of `group` to `out`, each
    /// `[kernel_h, kernel_w, channels/groups]`; positions outside the image are `pad`.
    pub(super) fn patches<T: Copy>(
        &self,
        images: &[T],
        group: usize,
        first: usize,
        count: usize,
        pad: T,
        out: &mut [T],
    ) {
        let width = self.channels / self.groups;
        let image_len = self.in_h * self.in_w * self.channels;
        // Taps side by side lie side by side in the image, where a group is all channels.
        let adjoin = self.groups == 1 && self.dilation[1] == 1;
        let (mut image, pixel) = (first / self.rows(), first % self.rows());
        let (mut oy, mut ox) = (pixel / self.out_w, pixel % self.out_w);
        for patch in out.chunks_exact_mut(self.patch_len()).take(count) {
            let pixels = &images[image * image_len..][..image_len];
            let left = (ox * self.stride[1]).checked_sub(self.padding[1]);
            let inside = left.filter(|left| adjoin && left + self.kernel_w <= self.in_w);
            for (ky, cells) in patch.chunks_exact_mut(self.kernel_w * width).enumerate() {
                let y = (oy * self.stride[0] + ky * self.dilation[0]).checked_sub(self.padding[0]);
                let Some(y) = y.filter(|y| *y < self.in_h) else {
                    cells.fill(pad);
                    continue;
                };
                let row = &pixels[y * self.in_w * self.channels..][..self.in_w * self.channels];
                match inside {
                    Some(left) => copy(&row[left * width..][..cells.len()], cells),
                    None => self.taps(row, group, ox, pad, cells),
                }
            }
            ox += 1;
            if ox == self.out_w {
                (ox, oy) = (0, oy + 1);
            }
            if oy == self.out_h {
                (oy, image) = (0, image + 1);
            }
        }
    }

    /// The taps of one row of the filter, one after the other.
    fn taps<T: Copy>(&self, row: &[T], group: usize, ox: usize, pad: T, cells: &mut [T]) {
        let width = self.channels / self.groups;
        for (kx, cell) in cells.chunks_exact_mut(width).enumerate() {
            let x = (ox * self.stride[1] + kx * self.dilation[1]).checked_sub(self.padding[1]);
            match x.filter(|x| *x < self.in_w) {
                Some(x) => cell.copy_from_slice(&row[x * self.channels + group * width..][..width]),
                None => cell.fill(pad),
            }
        }
    }
}

/// Copies by sixteen where it can: what is copied is often a few dozen bytes, for which a call costs more than it does.
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    let (from16, rest) = from.as_chunks::<16>();
    let (to16, to_rest) = to.as_chunks_mut::<16>();
    for (to, from) in to16.iter_mut().zip(from16) {
        *to = *from;
    }
    for (to, from) in to_rest.iter_mut().zip(rest) {
        *to = *from;
    }
}

/// Reorders a weight `[out, in/groups, kh, kw]` to the patch order `[out, kh, kw, in/groups]`.
pub(super) fn weight_to_patch_order<T: Copy + Default>(weight: &[T], shape: &[usize]) -> Vec<T> {
    let mut reordered = vec![T::default(); weight.len()];
    permute(weight, shape, &[0, 2, 3, 1], &mut reordered);
    reordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_transposes_and_keeps_batches_apart() {
        let src: Vec<i32> = (0..12).collect();
        let mut dst = vec![0; 12];
        permute(&src, &[2, 2, 3], &[0, 2, 1], &mut dst);
        assert_eq!(dst, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
    }

    #[test]
    fn images_change_between_channels_first_and_last() {
        for [c, h, w] in [[3, 5, 26], [64, 2, 3], [1, 2, 2], [4, 1, 1]] {
            let first: Vec<usize> = (0..c * h * w).collect();
            let mut last = vec![0; first.len()];
            permute(&first, &[c, h, w], &[1, 2, 0], &mut last);
            let expected: Vec<usize> = (0..h * w).flat_map(|p| (0..c).map(move |c| c * h * w + p)).collect();
            assert_eq!(last, expected);
            let mut back = vec![0; first.len()];
            permute(&last, &[h, w, c], &[2, 0, 1], &mut back);
            assert_eq!(back, first);
        }
    }

    #[test]
    fn patches_pad_and_stride() {
        let shape = ConvShape {
            channels: 1,
            in_h: 2,
            in_w: 2,
            kernel_h: 2,
            kernel_w: 2,
            stride: [2; 2],
            padding: [1; 2],
            dilation: [1; 2],
            groups: 1,
            out_h: 2,
            out_w: 2,
        };
        let mut out = vec![0; 16];
        shape.patches(&[1, 2, 3, 4], 0, 0, 4, 9, &mut out);
        assert_eq!(out, [9, 9, 9, 1, 9, 9, 2, 9, 9, 3, 9, 9, 4, 9, 9, 9]);
    }
}
