//! A histogram as a piecewise-uniform density: quantiles and means.

use calibench_quant::{Cell, Histogram, Range};

/// Bins that are not empty, each with the interval that its values can lie in.
#[derive(Debug, Clone)]
pub(crate) struct Bins {
    cells: Vec<Cell>,
    total: f64,
}

impl Bins {
    pub fn of(histogram: &Histogram, observed: Range) -> Self {
        Self { cells: histogram.cells(observed).collect(), total: histogram.total() as f64 }
    }

    /// The same for `|x|`.
    pub fn folded(histogram: &Histogram, observed: Range) -> Self {
        let least = observed.low.max(-observed.high).max(0.0);
        Self::of(&histogram.folded(), Range { low: least, high: observed.bound() })
    }

    /// The value below which `count` elements lie, linear within a bin.
    pub fn quantile(&self, count: f64) -> f64 {
        let mut below = 0.0;
        for cell in &self.cells {
            if below + cell.count >= count {
                let share = ((count - below) / cell.count).clamp(0.0, 1.0);
                return cell.low + share * (cell.high - cell.low);
            }
            below += cell.count;
        }
        self.cells.last().map_or(0.0, |cell| cell.high)
    }

    /// Number of elements.
    pub fn total(&self) -> f64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_ramp() {
        let ramp: Vec<f32> = (0..1024).map(|i| i as f32).collect();
        let bins = Bins::of(&Histogram::of(&ramp).unwrap(), Range { low: 0.0, high: 1023.0 });
        assert_eq!(bins.quantile(0.0), 0.0);
        assert!((bins.quantile(512.0) - 512.0).abs() <= 1.0);
        assert_eq!(bins.quantile(1024.0), 1023.0);
    }
}
