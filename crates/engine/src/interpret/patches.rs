//! Patches of images as rows of a matrix (im2col), with gradient.
//!
//! Candle's own convolution has a slow backward pass and none for groups, and no bf16 on CPUs; as a
//! product of patch rows it is one matrix product forward and two backward.

use calibench_graph::{Conv2d, Window};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};

/// Sizes of one gathering of patches.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    attributes: Conv2d,
    kernel: [usize; 2],
    /// N, C, H, W.
    image: [usize; 4],
    out: [usize; 2],
}

/// Gathers `[N, C, H, W]` to rows `[groups, N·OH·OW, C/groups·kh·kw]`; also gives `[OH, OW]`.
///
/// Row order is sample, output row, output column; within a row channel, kernel row, kernel column, so
/// that a weight `[out, C/groups, kh, kw]` flattens to match. Padding is zero. Where only portable operations are taken, elements
/// are selected by a table of positions.
pub(super) fn patches(
    x: &Tensor,
    kernel: [usize; 2],
    attributes: &Conv2d,
    portable: bool,
) -> Result<(Tensor, [usize; 2])> {
    let (n, c, h, w) = x.dims4()?;
    let Conv2d { stride, padding: [top, left, bottom, right], dilation, .. } = *attributes;
    let size =
        |padded: usize, axis: usize| (padded - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
    let out = [size(h + top + bottom, 0), size(w + left + right, 1)];
    let geometry = Geometry { attributes: *attributes, kernel, image: [n, c, h, w], out };
    if portable {
        return Ok((geometry.select(x)?, out));
    }
    let dtype = x.dtype();
    let rows = x.to_dtype(DType::F32)?.contiguous()?.apply_op1(Gather(geometry))?;
    Ok((rows.to_dtype(dtype)?, out))
}

/// The taps of each window over each channel, as rows `[1, N·C·OH·OW, kh·kw]`: channels are images of their own.
pub(super) fn windows(x: &Tensor, window: &Window, portable: bool) -> Result<Tensor> {
    let (n, channels, h, w) = x.dims4()?;
    let Window { kernel, stride, padding, dilation } = *window;
    let attributes = Conv2d { stride, padding, dilation, groups: 1 };
    Ok(patches(&x.reshape((n * channels, 1, h, w))?, kernel, &attributes, portable)?.0)
}

impl Geometry {
    fn row_len(&self) -> usize {
        self.image[1] / self.attributes.groups * self.kernel[0] * self.kernel[1]
    }

    fn shape(&self) -> (usize, usize, usize) {
        (self.attributes.groups, self.rows(), self.row_len())
    }

    /// The rows, by a table of where each element lies; padding lies behind the image.
    fn select(&self, x: &Tensor) -> Result<Tensor> {
        let (groups, rows, len) = self.shape();
        let pixels = self.image.iter().product::<usize>();
        let mut positions = vec![pixels as u32; groups * rows * len];
        self.for_each(|row, pixel| positions[row] = pixel as u32);
        let positions = Tensor::from_vec(positions, groups * rows * len, x.device())?;
        let padding = Tensor::zeros(1, x.dtype(), x.device())?;
        let flat = Tensor::cat(&[&x.flatten_all()?, &padding], 0)?;
        flat.index_select(&positions, 0)?.reshape(self.shape())
    }

    fn rows(&self) -> usize {
        self.image[0] * self.out[0] * self.out[1]
    }

    /// Calls `visit(element of the rows, element of the image)` for every tap inside the image.
    fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        let Conv2d { stride, padding, dilation, groups } = self.attributes;
        let ([n, c, h, w], [oh, ow], [kh, kw]) = (self.image, self.out, self.kernel);
        let per_group = c / groups;
        // The position of a tap along one axis, when it is inside.
        let inside = |axis: usize, o: usize, k: usize, len: usize| {
            (o * stride[axis] + k * dilation[axis]).checked_sub(padding[axis]).filter(|p| *p < len)
        };
        for group in 0..groups {
            for row in 0..n * oh * ow {
                let (sample, oy, ox) = (row / (oh * ow), row / ow % oh, row % ow);
                let row_start = (group * self.rows() + row) * self.row_len();
                for channel in 0..per_group {
                    let plane = (sample * c + group * per_group + channel) * h * w;
                    for ky in 0..kh {
                        let Some(y) = inside(0, oy, ky, h) else { continue };
                        for kx in 0..kw {
                            let Some(x) = inside(1, ox, kx, w) else { continue };
                            visit(row_start + (channel * kh + ky) * kw + kx, plane + y * w + x);
                        }
                    }
                }
            }
        }
    }
}

/// Image to rows.
struct Gather(Geometry);

/// Rows to image, summing: the transpose of [`Gather`].
struct Scatter(Geometry);

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "patches"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let image = contiguous(storage, layout)?;
        let shape = self.0.shape();
        let mut rows = vec![0.0_f32; shape.0 * shape.1 * shape.2];
        self.0.for_each(|row, pixel| rows[row] = image[pixel]);
        Ok((CpuStorage::F32(rows), Shape::from(shape)))
    }

    fn bwd(&self, _arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(&Scatter(self.0))?))
    }
}

impl CustomOp1 for Scatter {
    fn name(&self) -> &'static str {
        "patches-gradient"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let rows = contiguous(storage, layout)?;
        let mut image = vec![0.0_f32; self.0.image.iter().product()];
        self.0.for_each(|row, pixel| image[pixel] += rows[row]);
        Ok((CpuStorage::F32(image), Shape::from(self.0.image.to_vec())))
    }
}

/// The elements of an fp32 storage whose layout is contiguous.
pub(super) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::RequiresContiguous { op: "custom operation" }.bt())?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn selecting_by_positions_gives_the_same_rows() {
        let x = Tensor::arange(0_f32, 2.0 * 4.0 * 7.0 * 5.0, &Device::Cpu).unwrap();
        let x = x.reshape((2, 4, 7, 5)).unwrap();
        let attributes = Conv2d { stride: [2, 1], padding: [1, 0, 2, 1], dilation: [1, 2], groups: 2 };
        let rows = |portable| {
            let (rows, size) = patches(&x, [3, 2], &attributes, portable).unwrap();
            (rows.to_vec3::<f32>().unwrap(), size)
        };
        assert_eq!(rows(false), rows(true));
    }
}
