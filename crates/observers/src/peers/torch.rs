//! PyTorch's tensor functions that its collectors are made of, in fp32 as its AVX2 build computes them.

/// Bins of `torch.histc(values, bins, min=low, max=high)`: a value's bin is found by division alone; the
/// last bin holds its upper end. Values outside are left out. Equal ends are moved one unit apart each.
pub(super) fn histc(values: &[f32], bins: usize, low: f32, high: f32) -> Vec<f64> {
    let (low, high) = if low == high {
        ((f64::from(low) - 1.0) as f32, (f64::from(high) + 1.0) as f32)
    } else {
        (low, high)
    };
    let mut counts = vec![0_u64; bins];
    let span = high - low;
    if span == 0.0 || !(span * bins as f32).is_finite() {
        // PyTorch divides by zero or overflows here.
        let per_unit = bins as f64 / (f64::from(high) - f64::from(low)).max(f64::MIN_POSITIVE);
        for v in values.iter().filter(|v| (low..=high).contains(*v)) {
            let bin = ((f64::from(*v) - f64::from(low)) * per_unit) as usize;
            counts[bin.min(bins - 1)] += 1;
        }
    } else {
        let mut places = [0_i32; 512];
        for block in values.chunks(places.len()) {
            pulp::Arch::new().dispatch(|| {
                for (place, v) in places.iter_mut().zip(block) {
                    *place = ((v - low) * bins as f32 / span) as i32;
                }
            });
            for (v, place) in block.iter().zip(places) {
                if (low..=high).contains(v) {
                    counts[(place as usize).min(bins - 1)] += 1;
                }
            }
        }
    }
    counts.into_iter().map(|n| super::to_f32(n as f64)).collect()
}

/// `torch.linspace(start, end, steps)`: from both ends inward, with fused multiplications.
pub(super) fn linspace(start: f32, end: f32, steps: usize) -> Vec<f32> {
    let span = end - start;
    if !span.is_finite() {
        let step = (f64::from(end) - f64::from(start)) / (steps - 1) as f64;
        return (0..steps).map(|i| (f64::from(start) + step * i as f64) as f32).collect();
    }
    let step = span / (steps - 1) as f32;
    let mut numbers = vec![0.0; steps];
    pulp::Arch::new().dispatch(|| {
        let (first, second) = numbers.split_at_mut(steps / 2);
        for (i, number) in first.iter_mut().enumerate() {
            *number = step.mul_add(i as f32, start);
        }
        for (left, number) in second.iter_mut().rev().enumerate() {
            *number = (-step).mul_add(left as f32, end);
        }
    });
    numbers
}

/// `torch.arange(0, end, step)`; at most `most` numbers.
///
/// Sixteen numbers at a time are found from the first of each eight, rounded to fp32; the rest one by one.
pub(super) fn arange(end: f32, step: f32, most: usize) -> Vec<f32> {
    let step = f64::from(step);
    let len = ((f64::from(end) / step).ceil() as usize).min(most);
    let vectors = len - len % 16;
    let number = |i: usize| {
        if i < vectors {
            let base = (step * (i / 8 * 8) as f64) as f32;
            f64::from(base) + (i % 8) as f64 * step
        } else {
            step * i as f64
        }
    };
    (0..len).map(|i| (number(i) as f32).min(f32::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_found_by_division_and_the_last_holds_its_end() {
        let counts = histc(&[0.0, 0.24, 0.25, 0.5, 1.0, 1.1, -0.1], 4, 0.0, 1.0);
        assert_eq!(counts, [2.0, 1.0, 1.0, 1.0]);
        assert_eq!(histc(&[3.0; 5], 4, 3.0, 3.0), [0.0, 0.0, 5.0, 0.0]);
    }

    #[test]
    fn ranges_that_overflow_are_still_counted() {
        assert_eq!(histc(&[f32::MIN, 0.0, f32::MAX], 4, f32::MIN, f32::MAX), [1.0, 0.0, 1.0, 1.0]);
        assert_eq!(histc(&[1e30; 2], 4, 1e30, 1e30).iter().sum::<f64>(), 2.0);
    }

    #[test]
    fn both_ends_are_exact() {
        let numbers = linspace(-3.2711, 4.113, 2049);
        assert_eq!((numbers[0], numbers[2048]), (-3.2711, 4.113));
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        // torch 2.15.0: torch.linspace(0, 0.7, 8)
        let expected = [0.0_f32, 0.1, 0.2, 0.3, 0.39999998, 0.5, 0.59999996, 0.7];
        assert_eq!(linspace(0.0, 0.7, 8), expected);
        assert!(linspace(f32::MIN, f32::MAX, 9).iter().all(|n| n.is_finite()));
    }

    #[test]
    fn a_progression_reaches_its_end_and_no_further() {
        let numbers = arange(1.05, 0.1, 1000);
        assert_eq!(numbers.len(), 11);
        assert!((numbers[10] - 1.0).abs() < 1e-6);
        assert_eq!(arange(1.0, 1e-9, 100).len(), 100);
    }
}
