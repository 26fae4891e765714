//! The least quantization error that any threshold could reach on the values themselves.

use calibench_quant::{IntFormat, QParams, Range, Symmetry};

/// `Σ (x − fake_quantize(x))²`.
#[must_use]
pub fn squared_error(values: &[f32], q: &QParams) -> f64 {
    values.iter().map(|v| f64::from(v - q.fake_quantize(*v, 0)).powi(2)).sum()
}

/// The mean squared error of the best range found for the values themselves, in squared units of x.
///
/// A search by brute force about `start`, the optimum under the histogram: each end, and both together, moved
/// in steps from 12 % down to 0.02 % while that lowers the error of the raw values. No method can do better
/// but by the luck of a few values; where one does, its own error is the better bound. Some hundred passes over
/// the values: every one counts, as a single outlier can decide.
#[must_use]
pub fn least_error(values: &[f32], start: Range, format: IntFormat, symmetry: Symmetry) -> Option<f64> {
    let qparams = |low: f32, high: f32| {
        QParams::from_range("oracle", Range { low: low.min(0.0), high: high.max(0.0) }, format, symmetry).ok()
    };
    let cost = |(low, high): (f32, f32)| qparams(low, high).map(|q| squared_error(values, &q));
    let mut best = (cost((start.low, start.high))?, (start.low, start.high));
    let mut step = 0.12_f32;
    while step > 2e-4 {
        let mut moved = false;
        let moves: &[(f32, f32)] = match symmetry {
            Symmetry::Symmetric => &[(1.0, 1.0), (-1.0, -1.0)],
            Symmetry::Affine => &[(1.0, 1.0), (-1.0, -1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)],
        };
        for (a, b) in moves {
            for times in 1..=6 {
                let by = |end: f32, m: f32| end * (1.0 + m * step * times as f32 / 3.0).max(0.0);
                let to = (by(best.1.0, *a), by(best.1.1, *b));
                if let Some(c) = cost(to)
                    && c < best.0
                {
                    best = (c, to);
                    moved = true;
                }
            }
        }
        if !moved {
            step /= 3.0;
        }
    }
    Some(best.0 / values.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_optimum_from_a_poor_start() {
        // 99,999 values spread over [−1, 1], and an outlier that is best clipped in part.
        let mut values: Vec<f32> = (0..99_999).map(|i| (i as f32 / 49_999.0) - 1.0).collect();
        values.push(3.0);
        let error = |high: f32| {
            let range = Range { low: -high, high };
            let q = QParams::from_range("t", range, IntFormat::INT8, Symmetry::Symmetric).unwrap();
            squared_error(&values, &q) / values.len() as f64
        };
        let least = (50..300).map(|i| error(i as f32 / 100.0)).fold(f64::INFINITY, f64::min);
        let start = Range { low: -1.7, high: 1.7 };
        let found = least_error(&values, start, IntFormat::INT8, Symmetry::Symmetric).unwrap();
        assert!(found <= least * 1.001, "{found} {least}");
    }
}
