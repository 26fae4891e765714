//! `minmax` for weights: the largest magnitude.

use calibench_quant::{Entry, WeightCalibrator};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn WeightCalibrator> = Entry {
    id: "minmax",
    summary: "the largest magnitude: clips no weight",
    source: "Jacob et al. 2017, arXiv 1712.05877, §3; Krishnamoorthi 2018, arXiv 1806.08342, §2.5",
    construct: || Box::new(MinMax),
};

/// `max |w|`, in units of the weights. Limits: one large weight sets the scale of all that share it.
struct MinMax;

impl WeightCalibrator for MinMax {
    fn bound(&self, values: &[f32], _q_max: i32) -> f32 {
        values.iter().fold(0.0_f32, |most, w| most.max(w.abs()))
    }
}
