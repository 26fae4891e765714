//! A histogram as a distribution: piecewise uniform, with points where a bin has no width.

use super::divergence::Divergence;
use super::wasserstein;
use crate::{Interval, MetricsError};

/// A histogram with bins of any widths.
///
/// Bin `i` holds `mass[i]`, spread evenly over `edges[i]..edges[i + 1]`; a bin whose two edges are equal is a
/// point that holds its mass there. Edges are in units of the tensor. Masses are counts or shares: every
/// distance divides them by their sum, so two histograms of different totals compare as distributions.
///
/// # Example
/// One value in three is exactly zero, as after a ReLU; the others lie between 0 and 2.
/// ```
/// use calibench_metrics::Density;
///
/// let relu = Density::new(vec![0.0, 0.0, 2.0], vec![100.0, 200.0])?;
/// let shifted = Density::new(vec![0.5, 0.5, 2.5], vec![1.0, 2.0])?;
/// assert_eq!(relu.wasserstein1(&shifted), Some(0.5));
/// # Ok::<(), calibench_metrics::MetricsError>(())
/// ```
///
/// # Limits
/// Even spreading is a model. A grid's outermost bins usually reach past the values seen: move the first and the
/// last edge to the least and greatest value (`edge.clamp(least, greatest)` on every edge does), and no mass
/// lies where none was.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    edges: Vec<f64>,
    mass: Vec<f64>,
    total: f64,
}

/// A bin that holds mass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bin {
    pub low: f64,
    pub high: f64,
    /// Share of the total, over 0.
    pub share: f64,
}

impl Density {
    /// A histogram of `mass.len()` bins between `mass.len() + 1` edges.
    ///
    /// # Errors
    /// [`MetricsError`] when the lengths do not match, an edge is not finite or below the one before, a mass is
    /// negative or not finite, or there is no mass.
    pub fn new(edges: Vec<f64>, mass: Vec<f64>) -> Result<Self, MetricsError> {
        if edges.len() != mass.len() + 1 {
            return Err(MetricsError::EdgeCount { edges: edges.len(), bins: mass.len() });
        }
        let descends = |i: usize| i > 0 && edges[i] < edges[i - 1];
        if let Some(index) = (0..edges.len()).find(|i| !edges[*i].is_finite() || descends(*i)) {
            return Err(MetricsError::Edge { index, edge: edges[index] });
        }
        if let Some(bin) = mass.iter().position(|m| !m.is_finite() || *m < 0.0) {
            return Err(MetricsError::Mass { bin, mass: mass[bin] });
        }
        let total: f64 = mass.iter().sum();
        if total <= 0.0 || !total.is_finite() {
            return Err(MetricsError::Total { total });
        }
        Ok(Self { edges, mass, total })
    }

    /// Masses at single values, which ascend: what a tensor of integer codes is.
    ///
    /// # Errors
    /// As [`Density::new`].
    pub fn from_points(points: impl IntoIterator<Item = (f64, f64)>) -> Result<Self, MetricsError> {
        let (mut edges, mut mass) = (Vec::new(), Vec::new());
        for (value, m) in points {
            if !edges.is_empty() {
                // The empty bin between two points.
                mass.push(0.0);
            }
            edges.extend([value, value]);
            mass.push(m);
        }
        if edges.is_empty() {
            return Err(MetricsError::Total { total: 0.0 });
        }
        Self::new(edges, mass)
    }

    /// Bin edges, in units of the tensor; one more than there are bins.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// Mass of each bin, as given.
    #[must_use]
    pub fn mass(&self) -> &[f64] {
        &self.mass
    }

    /// Sum of all masses.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.total
    }

    /// From the lowest to the highest edge of a bin that holds mass.
    #[must_use]
    pub fn support(&self) -> Interval {
        let low = self.bins().map(|bin| bin.low).next();
        let high = self.bins().map(|bin| bin.high).next_back();
        let (low, high) = low.zip(high).expect("a density holds mass");
        Interval { low, high }
    }

    /// The bins that hold mass, ascending.
    pub(super) fn bins(&self) -> impl DoubleEndedIterator<Item = Bin> {
        let share = |i: usize| self.mass[i] / self.total;
        (0..self.mass.len()).filter(move |i| share(*i) > 0.0).map(move |i| Bin {
            low: self.edges[i],
            high: self.edges[i + 1],
            share: share(i),
        })
    }

    /// Kullback–Leibler and Jensen–Shannon divergence of `candidate` from this reference, see
    /// [`Divergence::of_densities`].
    #[must_use]
    pub fn divergence(&self, candidate: &Self, bins: usize) -> Option<Divergence> {
        Divergence::of_densities(self, candidate, bins)
    }

    /// Wasserstein-1 distance to another histogram, in units of the tensor: `∫ |F(x) − G(x)| dx`, exact for
    /// the piecewise linear F and G that even spreading gives.
    ///
    /// `None` where it exceeds `f64`.
    #[must_use]
    pub fn wasserstein1(&self, other: &Self) -> Option<f64> {
        wasserstein::of_densities(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_histogram_is_refused_and_said() {
        let fault = |edges: &[f64], mass: &[f64]| {
            Density::new(edges.to_vec(), mass.to_vec()).map_err(|e| e.to_string()).expect_err("refused")
        };
        assert!(fault(&[0.0, 1.0], &[1.0, 2.0]).starts_with("a histogram of 2 bins has 3 edges, not 2;"));
        assert!(fault(&[], &[]).starts_with("a histogram of 0 bins has 1 edges, not 0;"));
        assert!(fault(&[0.0, 1.0, 0.5], &[1.0, 1.0]).starts_with("histogram edge 2 is 0.5;"));
        assert!(fault(&[f64::NAN, 1.0], &[1.0]).starts_with("histogram edge 0 is NaN;"));
        assert!(fault(&[0.0, f64::INFINITY], &[1.0]).starts_with("histogram edge 1 is inf;"));
        assert!(fault(&[0.0, 1.0, 2.0], &[1.0, -1.0]).starts_with("histogram bin 1 has mass -1;"));
        assert!(fault(&[0.0, 1.0], &[f64::NAN]).starts_with("histogram bin 0 has mass NaN;"));
        assert!(fault(&[0.0, 1.0], &[0.0]).contains("sum to 0;"));
        assert!(fault(&[0.0, 1.0, 2.0], &[f64::MAX, f64::MAX]).contains("sum to inf;"));
        assert!(Density::from_points([]).is_err());
        assert!(Density::from_points([(1.0, 1.0), (0.0, 1.0)]).is_err());
    }

    #[test]
    fn the_support_leaves_out_empty_bins() {
        let d = Density::new(vec![-2.0, -1.0, 0.0, 1.0, 2.0], vec![0.0, 3.0, 1.0, 0.0]).unwrap();
        assert_eq!(d.support(), Interval { low: -1.0, high: 1.0 });
        let point = Density::from_points([(2.5, 1.0)]).unwrap();
        assert_eq!(point.support(), Interval { low: 2.5, high: 2.5 });
    }

    #[test]
    fn points_are_bins_of_no_width() {
        let d = Density::from_points([(1.0, 3.0), (4.0, 1.0)]).unwrap();
        assert_eq!(d.edges(), [1.0, 1.0, 4.0, 4.0]);
        assert_eq!(d.mass(), [3.0, 0.0, 1.0]);
        let bins: Vec<_> = d.bins().map(|b| (b.low, b.high, b.share)).collect();
        assert_eq!(bins, [(1.0, 1.0, 0.75), (4.0, 4.0, 0.25)]);
    }
}
