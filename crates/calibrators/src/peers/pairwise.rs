//! NumPy's summation, whose roundings decide close cases.

use std::ops::Add;

/// Elements that are summed without splitting.
const BLOCK: usize = 128;

/// `numpy.sum` of contiguous numbers: halves summed apart down to blocks of 128, each by eight running sums.
pub(super) fn sum<T: Copy + Default + Add<Output = T>>(values: &[T]) -> T {
    let count = values.len();
    if count < 8 {
        return values.iter().fold(T::default(), |sum, v| sum + *v);
    }
    if count > BLOCK {
        let half = count / 2;
        let (first, second) = values.split_at(half - half % 8);
        return sum(first) + sum(second);
    }
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = eights[0];
    for eight in &eights[1..] {
        for (sum, v) in lanes.iter_mut().zip(eight) {
            *sum = *sum + *v;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, v| sum + *v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_shows_in_fp32() {
        // numpy 2.4.6: np.sum(np.float32(0.1) * (np.arange(1000) % 7)) in fp32
        let values: Vec<f32> = (0..1000).map(|i| 0.1_f32 * (i % 7) as f32).collect();
        assert_eq!(sum(&values), PAIRWISE);
        assert_ne!(values.iter().sum::<f32>(), PAIRWISE);
        assert_eq!(sum(&values[..5]), values[..5].iter().sum::<f32>());
    }

    const PAIRWISE: f32 = 299.7;
}
