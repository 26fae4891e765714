//! NumPy's equal bins, in fp32 as NumPy computes them for fp32 data.

/// `numpy.linspace(first, last, bins + 1, dtype=float32)`: the ends of equal bins.
pub(super) fn linspace(first: f32, last: f32, bins: usize) -> Vec<f32> {
    let delta = last - first;
    let step = delta / bins as f32;
    let mut edges: Vec<f32> = if !delta.is_finite() {
        let step = (f64::from(last) - f64::from(first)) / bins as f64;
        (0..=bins).map(|i| (f64::from(first) + i as f64 * step) as f32).collect()
    } else if step == 0.0 {
        // The step underflows: NumPy divides first.
        (0..=bins).map(|i| i as f32 / bins as f32 * delta + first).collect()
    } else {
        (0..=bins).map(|i| i as f32 * step + first).collect()
    };
    edges[bins] = last;
    edges
}

/// `numpy.arange(start, stop, step)` of fp32 scalars, which is fp64; at most `most` numbers.
pub(super) fn arange(start: f32, stop: f32, step: f32, most: usize) -> Vec<f64> {
    let len = f64::from((stop - start) / step).ceil().max(0.0) as usize;
    // The second number is rounded to fp32, and its distance from the first is the step of the rest.
    let (first, delta) = (f64::from(start), f64::from(start + step) - f64::from(start));
    (0..len.min(most)).map(|i| first + i as f64 * delta).collect()
}

/// `numpy.histogram(values, bins, range)`, with the outer ends half a unit apart from a lone value.
pub(super) fn widened(first: f32, last: f32) -> (f32, f32) {
    if first == last { (first - 0.5, last + 0.5) } else { (first, last) }
}

/// Elements in each of the equal bins with these ends, which [`linspace`] gave.
///
/// A value's bin is found by division and then corrected by the edges themselves; the last bin holds
/// its upper end. Values outside are left out.
pub(super) fn equal_bins(values: &[f32], edges: &[f32]) -> Vec<f64> {
    let bins = edges.len() - 1;
    let (first, last) = (edges[0], edges[bins]);
    let span = last - first;
    if !span.is_finite() || span == 0.0 {
        let edges: Vec<f64> = edges.iter().copied().map(f64::from).collect();
        return any_bins(values, &edges);
    }
    let mut counts = vec![0_u64; bins];
    let mut guesses = [0_i32; 512];
    for block in values.chunks(guesses.len()) {
        pulp::Arch::new().dispatch(|| {
            for (guess, v) in guesses.iter_mut().zip(block) {
                *guess = ((v - first) / span * bins as f32) as i32;
            }
        });
        for (v, guess) in block.iter().zip(guesses) {
            if !(first..=last).contains(v) {
                continue;
            }
            let mut bin = (guess as usize).min(bins - 1);
            if *v < edges[bin] {
                bin -= 1;
            }
            if bin != bins - 1 && *v >= edges[bin + 1] {
                bin += 1;
            }
            counts[bin] += 1;
        }
    }
    counts.into_iter().map(|n| n as f64).collect()
}

/// `numpy.histogram(values, edges)`: elements in `[e₀, e₁), …, [eₙ₋₁, eₙ]` between ascending edges.
pub(super) fn any_bins(values: &[f32], edges: &[f64]) -> Vec<f64> {
    let bins = edges.len() - 1;
    let (first, last) = (edges[0], edges[bins]);
    let per_unit = bins as f64 / (last - first);
    let mut counts = vec![0_u64; bins];
    for v in values.iter().copied().map(f64::from).filter(|v| (first..=last).contains(v)) {
        // Edges are nearly equally spaced; a guess that the edges do not confirm is searched for.
        let guess = (((v - first) * per_unit) as usize).min(bins - 1);
        let bin = if edges[guess] <= v && v < edges[guess + 1] {
            guess
        } else {
            edges.partition_point(|e| *e <= v).min(bins) - 1
        };
        counts[bin] += 1;
    }
    counts.into_iter().map(|n| n as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_numpys() {
        // numpy 2.4.6: np.linspace(np.float32(-0.7), np.float32(0.7), 8, dtype=np.float32)
        let expected = [-0.7_f32, -0.5, -0.29999998, -0.099999964, 0.100000024, 0.3, 0.50000006, 0.7];
        assert_eq!(linspace(-0.7, 0.7, 7), expected);
        // np.arange(f(0.7) + f(0.1), f(1.25) + f(0.1), f(0.1)) with f = np.float32
        let expected = [
            0.800000011920929,
            0.9000000357627869,
            1.0000000596046448,
            1.1000000834465027,
            1.2000001072883606,
            1.3000001311302185,
        ];
        assert_eq!(arange(0.7 + 0.1, 1.25 + 0.1, 0.1, 100), expected);
        let tiny = linspace(0.0, 1e-44, 100);
        assert!(tiny.windows(2).all(|pair| pair[0] <= pair[1]) && tiny[100] == 1e-44, "{tiny:?}");
        let wide = linspace(f32::MIN, f32::MAX, 4);
        assert_eq!((wide[0], wide[2], wide[4]), (f32::MIN, 0.0, f32::MAX));
    }

    #[test]
    fn values_on_an_edge_belong_to_the_bin_above_but_for_the_last() {
        let edges = linspace(0.0, 4.0, 4);
        let values = [0.0, 0.5, 1.0, 3.0, 4.0, 4.5, -1.0];
        assert_eq!(equal_bins(&values, &edges), [2.0, 1.0, 0.0, 2.0]);
        assert_eq!(any_bins(&values, &[0.0, 1.0, 2.0, 3.0, 4.0]), [2.0, 1.0, 0.0, 2.0]);
    }

    #[test]
    fn both_ways_of_counting_agree() {
        let values: Vec<f32> = (0..10_000).map(|i| (i as f32 * 0.013).sin() * 3.0).collect();
        let edges = linspace(-3.0, 3.0, 177);
        let exact: Vec<f64> = edges.iter().copied().map(f64::from).collect();
        assert_eq!(equal_bins(&values, &edges), any_bins(&values, &exact));
    }

    #[test]
    fn edges_without_width_hold_their_one_value() {
        assert_eq!(any_bins(&[1e9; 3], &[1e9; 5]), [0.0, 0.0, 0.0, 3.0]);
    }
}
