//! Pooling of channels-last images.

use calibench_graph::Window;

use super::Rounding;
use super::storage::{Buffers, Slot};

/// The largest value or the mean of each window.
#[derive(Debug)]
pub(super) struct Pool {
    pub name: String,
    pub pooling: Pooling,
    pub window: Window,
    /// Height, width and channels of an image.
    pub dims: [usize; 3],
    /// Height and width of a result.
    pub out: [usize; 2],
    pub from: Slot,
    pub to: Slot,
}

/// What becomes of the values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    Max,
    Mean {
        /// Whether padding counts as zeros, or not at all.
        count_padding: bool,
    },
}

impl Pool {
    pub(super) fn run(&self, batch: usize, buffers: &mut Buffers, rounding: Rounding) {
        let [height, width, channels] = self.dims;
        let mut out = buffers.take_f32(self.to);
        let images = buffers.f32(self.from).chunks_exact(height * width * channels).take(batch);
        for (image, out) in images.zip(out.chunks_exact_mut(self.out[0] * self.out[1] * channels)) {
            match self.pooling {
                Pooling::Max => self.windows(image, out, f32::NEG_INFINITY, larger, |_, _| {}),
                Pooling::Mean { count_padding } => {
                    let taps = self.window.kernel[0] * self.window.kernel[1];
                    self.windows(
                        image,
                        out,
                        0.0,
                        |sum, v| sum + v,
                        |out, count| {
                            let count = if count_padding { taps } else { count } as f32;
                            out.iter_mut().for_each(|v| *v = rounding.apply(*v / count));
                        },
                    );
                }
            }
        }
        buffers.put_f32(self.to, out);
    }

    /// Takes the values of each window together, channel by channel; `finish` gets the results of a window and how many of its
    /// places lie in the image.
    fn windows(
        &self,
        image: &[f32],
        out: &mut [f32],
        first: f32,
        take: impl Fn(f32, f32) -> f32,
        finish: impl Fn(&mut [f32], usize),
    ) {
        let [height, width, channels] = self.dims;
        let Window { kernel, stride, padding, dilation } = self.window;
        let inside = |axis: usize, o: usize, k: usize, len: usize| {
            (o * stride[axis] + k * dilation[axis]).checked_sub(padding[axis]).filter(|i| *i < len)
        };
        let places = (0..self.out[0]).flat_map(|y| (0..self.out[1]).map(move |x| (y, x)));
        for ((oy, ox), out) in places.zip(out.chunks_exact_mut(channels)) {
            out.fill(first);
            let mut count = 0;
            for y in (0..kernel[0]).filter_map(|k| inside(0, oy, k, height)) {
                for x in (0..kernel[1]).filter_map(|k| inside(1, ox, k, width)) {
                    let pixel = &image[(y * width + x) * channels..][..channels];
                    out.iter_mut().zip(pixel).for_each(|(o, v)| *o = take(*o, *v));
                    count += 1;
                }
            }
            finish(out, count);
        }
    }
}

/// The larger number; NaN where one is.
fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use calibench_graph::{Dim, GraphBuilder, Op};
    use calibench_kernels::Kernels;
    use calibench_quant::Dtype;

    use super::super::storage::Kind;
    use crate::QuantSpec;
    use crate::compile::{CompileOptions, Executable};
    use crate::interpret::{Interpreter, NoTap};

    #[test]
    fn images_joined_with_the_batch_are_averaged_and_permuted_too() {
        let window = Window::square(2, 2);
        let permute = Op::Permute { axes: vec![0, 2, 1, 3] };
        for op in [Op::AvgPool2d { window, count_padding: false }, permute] {
            let mut g = GraphBuilder::new(
                "g",
                [Dim::Batch].into_iter().chain([2, 3, 4, 6].map(Dim::Fixed)).collect(),
            );
            let shape = [Dim::Multiple(2)].into_iter().chain([3, 4, 6].map(Dim::Fixed)).collect();
            let joined = g.add("joined", Op::Reshape { shape }, &[g.input()], vec![]).unwrap();
            let y = g.add("y", op.clone(), &[joined], vec![]).unwrap();
            let graph = g.finish(y);
            let x: Vec<f32> = (0..3 * 144).map(|i| (i * 37 % 101) as f32).collect();
            let expected = Interpreter::new(&graph).unwrap().run_slice(3, &[&x], &mut NoTap).unwrap();
            let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: 3 };
            let mut plan = Executable::compile(&graph, &QuantSpec::float(Dtype::Fp32), options).unwrap();
            assert_eq!(plan.run(3, &[&x]).unwrap(), expected, "{op:?}");
        }
    }

    use super::*;

    #[test]
    fn pooling_takes_the_largest_and_the_mean_of_each_channel() {
        let slot = |index| Slot { kind: Kind::F32, index };
        let image = [1., 10., 2., 20., 3., 30., 4., f32::NAN];
        let pool = |pooling, padding| {
            let window = Window { padding: [padding; 4], ..Window::square(2, 2) };
            let out = [1 + padding; 2];
            let (from, to) = (slot(0), slot(1));
            let pool = Pool { name: String::new(), pooling, window, dims: [2, 2, 2], out, from, to };
            let mut buffers = Buffers::of_f32(&[image.to_vec(), vec![0.0; 2 * out[0] * out[1]]]);
            pool.run(1, &mut buffers, Rounding::None);
            buffers.f32(to).to_vec()
        };
        let largest = pool(Pooling::Max, 0);
        assert_eq!((largest[0], largest[1].is_nan()), (4.0, true));
        assert_eq!(pool(Pooling::Mean { count_padding: false }, 0)[0], 2.5);
        assert_eq!(pool(Pooling::Mean { count_padding: false }, 1)[..4], [1., 10., 2., 20.]);
        assert_eq!(pool(Pooling::Mean { count_padding: true }, 1)[..4], [0.25, 2.5, 0.5, 5.]);
    }
}
