//! Convolutions that read their patches where they lie: a padded image, and where each window begins in it.

use std::ops::Range;

use calibench_kernels::Windows;

use super::layout::ConvShape;
use super::step::scratch;

impl ConvShape {
    /// Whether patches can be read from a padded image: rows of the filter lie in one piece there, and channels fill
    /// groups, of `group` values that kernels add up at once, or more than half of one.
    pub(super) fn reads_windows(&self, group: usize) -> bool {
        self.groups == 1
            && self.dilation[1] == 1
            && (self.channels.is_multiple_of(group) || self.channels > group / 2)
            && !self.is_pointwise()
            && self.patch_len() > 0
    }

    /// Channels of a pixel of the padded image: those of the image, filled up to whole groups.
    pub(super) fn pitch(&self, group: usize) -> usize {
        self.channels.next_multiple_of(group)
    }

    /// Weights in patch order, with zeros for the channels that pixels are filled up with.
    pub(super) fn fill_up<T: Copy + Default>(&self, weights: &[T], group: usize) -> Vec<T> {
        let mut filled = vec![T::default(); weights.len() / self.channels * self.pitch(group)];
        for (to, from) in filled.chunks_exact_mut(self.pitch(group)).zip(weights.chunks_exact(self.channels))
        {
            to[..self.channels].copy_from_slice(from);
        }
        filled
    }

    /// Height and width of the padded image: what the windows reach.
    fn padded(&self) -> [usize; 2] {
        [
            (self.out_h - 1) * self.stride[0] + (self.kernel_h - 1) * self.dilation[0] + 1,
            (self.out_w - 1) * self.stride[1] + self.kernel_w,
        ]
    }

    /// The rows of the filter in a padded image, in groups.
    pub(super) fn windows(&self, group: usize) -> Windows {
        let groups = self.pitch(group) / group;
        Windows {
            count: self.kernel_h,
            len: self.kernel_w * groups,
            stride: self.dilation[0] * self.padded()[1] * groups,
        }
    }

    /// Calls `each(output rows, padded image, window starts in groups)` for each image that has some of the output rows,
    /// which are counted over the batch. The padded image holds what `turn` makes of each value.
    pub(super) fn for_images<T: Copy, P: Copy + Default>(
        &self,
        images: &[T],
        rows: Range<usize>,
        (pad, group, turn): (T, usize, impl Fn(T) -> P + Copy),
        (memory, starts): (&mut Vec<P>, &mut Vec<usize>),
        mut each: impl FnMut(Range<usize>, &[P], &[usize]),
    ) {
        let image_len = self.in_h * self.in_w * self.channels;
        let [height, width] = self.padded();
        let pitch = self.pitch(group);
        let padded = scratch(memory, height * width * pitch);
        let mut first = rows.start;
        while first < rows.end {
            let image = first / self.rows();
            let end = rows.end.min((image + 1) * self.rows());
            self.pad(&images[image * image_len..][..image_len], (turn(pad), pitch, turn), padded);
            starts.clear();
            // Row by row: a division for every pixel takes longer than its products on CPUs before Ice Lake.
            let mut pixel = first % self.rows();
            let last = pixel + (end - first);
            while pixel < last {
                let (y, x) = (pixel / self.out_w, pixel % self.out_w);
                let columns = x..self.out_w.min(x + last - pixel);
                pixel += columns.len();
                let row = y * self.stride[0] * width;
                starts.extend(columns.map(|x| (row + x * self.stride[1]) * (pitch / group)));
            }
            each(first..end, padded, starts);
            first = end;
        }
    }

    /// An image with its borders, as far as windows reach.
    fn pad<T: Copy, P: Copy>(
        &self,
        image: &[T],
        (pad, pitch, turn): (P, usize, impl Fn(T) -> P + Copy),
        out: &mut [P],
    ) {
        let [_, width] = self.padded();
        let [top, left] = self.padding;
        let here = self.in_w.min(width - left.min(width));
        for (y, out) in out.chunks_exact_mut(width * pitch).enumerate() {
            let Some(y) = y.checked_sub(top).filter(|y| *y < self.in_h) else {
                out.fill(pad);
                continue;
            };
            let (before, rest) = out.split_at_mut(left.min(width) * pitch);
            let (middle, after) = rest.split_at_mut(here * pitch);
            before.fill(pad);
            let row = &image[y * self.in_w * self.channels..][..here * self.channels];
            if pitch == self.channels {
                middle.iter_mut().zip(row).for_each(|(to, from)| *to = turn(*from));
            } else if (self.channels, pitch) == (3, 4) {
                // Colours, at the beginning of most networks: of known size, which takes a quarter of the time.
                for (to, [r, g, b]) in middle.as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<3>().0) {
                    *to = [turn(*r), turn(*g), turn(*b), pad];
                }
            } else {
                for (to, from) in middle.chunks_exact_mut(pitch).zip(row.chunks_exact(self.channels)) {
                    let (values, filled) = to.split_at_mut(self.channels);
                    values.iter_mut().zip(from).for_each(|(to, from)| *to = turn(*from));
                    filled.fill(pad);
                }
            }
            after.fill(pad);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_the_padded_image_are_the_patches() {
        // Strides and paddings at which windows leave out the last columns, and reach beyond them; channels as they are, and
        // filled up.
        for (channels, group, stride, padding, [in_h, in_w]) in [
            (2, 1, [1, 1], [1, 1], [4, 5]),
            (2, 1, [2, 2], [1, 0], [5, 6]),
            (2, 2, [2, 3], [0, 2], [6, 4]),
            (2, 3, [1, 1], [1, 1], [4, 5]),
            (2, 3, [2, 3], [0, 2], [6, 4]),
            (3, 4, [1, 1], [1, 1], [4, 5]),
            (8, 4, [1, 2], [1, 1], [4, 5]),
        ] {
            let out = |i: usize, o: usize| (i + 2 * padding[o] - 3) / stride[o] + 1;
            let shape = ConvShape {
                channels,
                in_h,
                in_w,
                kernel_h: 3,
                kernel_w: 3,
                stride,
                padding,
                dilation: [1, 1],
                groups: 1,
                out_h: out(in_h, 0),
                out_w: out(in_w, 1),
            };
            let images: Vec<i32> = (1..=(2 * in_h * in_w * channels) as i32).collect();
            let rows = 2 * shape.rows();
            let mut patches = vec![0; rows * shape.patch_len()];
            shape.patches(&images, 0, 0, rows, -7, &mut patches);
            assert!(shape.reads_windows(group));
            let Windows { count, len, stride } = shape.windows(group);
            let mut seen = Vec::new();
            shape.for_images(
                &images,
                1..rows,
                (-7, group, |value: i32| 2 * i64::from(value)),
                (&mut Vec::new(), &mut Vec::new()),
                |range, image, starts| {
                    assert_eq!(range.len(), starts.len());
                    for start in starts {
                        for piece in 0..count {
                            seen.extend_from_slice(&image[(start + piece * stride) * group..][..len * group]);
                        }
                    }
                },
            );
            let mut filled = shape.fill_up(&patches[shape.patch_len()..], group);
            for pixel in filled.chunks_exact_mut(shape.pitch(group)) {
                pixel[channels..].fill(-7);
            }
            assert_eq!(seen, filled.iter().map(|v| 2 * i64::from(*v)).collect::<Vec<_>>());
        }
    }
}
