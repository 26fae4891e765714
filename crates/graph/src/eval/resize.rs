//! Resampling of images.

use super::{Number, View};
use crate::{Coordinates, Interpolation};

/// An axis of `from` elements that becomes one of `to`.
struct Axis {
    coordinates: Coordinates,
    interpolation: Interpolation,
    scale: f32,
    from: usize,
    to: usize,
}

impl Axis {
    /// Where a position lies.
    ///
    /// In fp32 and in this order of operations, as ONNX Runtime has it: which of two neighbours is nearest hangs on it.
    fn source(&self, i: usize) -> f64 {
        let Self { coordinates, scale, from, to, .. } = *self;
        let i = i as f32;
        f64::from(match coordinates {
            Coordinates::HalfPixel => (i + 0.5) / scale - 0.5,
            Coordinates::PytorchHalfPixel if to > 1 => (i + 0.5) / scale - 0.5,
            Coordinates::PytorchHalfPixel => 0.0,
            Coordinates::AlignCorners if to > 1 => i * (from as f32 - 1.0) / (to as f32 - 1.0),
            Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => i / scale,
        })
    }

    /// The two neighbours of a position and the weight of the second.
    fn neighbours(&self, i: usize) -> (usize, usize, f64) {
        let last = self.from.saturating_sub(1) as f64;
        let inside = |x: f64| x.clamp(0.0, last) as usize;
        let nearest = |x: f64| (inside(x), inside(x), 0.0);
        let x = self.source(i);
        match self.interpolation {
            Interpolation::Linear => {
                let x = x.clamp(0.0, last);
                (inside(x.floor()), inside(x.floor() + 1.0), x - x.floor())
            }
            Interpolation::NearestPreferFloor => nearest((x - 0.5).ceil()),
            Interpolation::NearestPreferCeil => nearest((x + 0.5).floor()),
            Interpolation::NearestFloor => nearest(x.floor()),
            Interpolation::NearestCeil => nearest(x.ceil()),
        }
    }
}

pub(super) fn resize<T: Number>(
    x: View<'_, T>,
    (coordinates, interpolation, scale): (Coordinates, Interpolation, [f32; 2]),
    shape: &[usize],
    out: &mut [T],
) {
    let (&[_, _, h, w], &[_, _, oh, ow]) = (x.shape, shape) else { return };
    let rows = Axis { coordinates, interpolation, scale: scale[0], from: h, to: oh };
    let columns = Axis { coordinates, interpolation, scale: scale[1], from: w, to: ow };
    if h * w * oh * ow == 0 {
        return;
    }
    for (plane, out) in x.data.chunks_exact(h * w).zip(out.chunks_exact_mut(oh * ow)) {
        for (y, out) in out.chunks_exact_mut(ow).enumerate() {
            let (top, bottom, fy) = rows.neighbours(y);
            for (x, o) in out.iter_mut().enumerate() {
                let (left, right, fx) = columns.neighbours(x);
                let at = |y: usize, x: usize| plane[y * w + x].to_f64();
                let mix = |a: f64, b: f64, f: f64| if f == 0.0 { a } else { a + (b - a) * f };
                let upper = mix(at(top, left), at(top, right), fx);
                let lower = mix(at(bottom, left), at(bottom, right), fx);
                *o = T::from_f64(mix(upper, lower, fy));
            }
        }
    }
}
