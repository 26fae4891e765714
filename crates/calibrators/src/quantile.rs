//! Quantiles of a histogram.

use calibench_quant::{Histogram, Range};

/// The value below which `count` elements lie, linear within a bin; within what was observed.
pub(crate) fn quantile(histogram: &Histogram, observed: Range, count: f64) -> f64 {
    let held = |edge: f64| edge.min(f64::from(observed.high)).max(f64::from(observed.low));
    let mut below = 0.0;
    for (bin, n) in histogram.iter() {
        let n = n as f64;
        if below + n >= count {
            if bin == 0 || bin == -1 {
                // Zero, but for what is below 1.1e-41.
                return 0.0;
            }
            let (low, high) = Histogram::edges(bin);
            let share = ((count - below) / n).clamp(0.0, 1.0);
            return held(low) + share * (held(high) - held(low));
        }
        below += n;
    }
    f64::from(observed.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_among_zeros_is_zero() {
        let histogram = Histogram::of(&[0.0, 0.0, -0.0, 1.0]).unwrap();
        assert_eq!(quantile(&histogram, Range { low: 0.0, high: 1.0 }, 1.5), 0.0);
    }

    #[test]
    fn quantiles_of_a_ramp() {
        let ramp: Vec<f32> = (0..1024).map(|i| i as f32).collect();
        let quantile =
            |count| quantile(&Histogram::of(&ramp).unwrap(), Range { low: 0.0, high: 1023.0 }, count);
        assert_eq!(quantile(0.0), 0.0);
        assert!((quantile(512.0) - 512.0).abs() <= 1.0);
        assert_eq!(quantile(1024.0), 1023.0);
    }
}
