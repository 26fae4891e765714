//! The Pareto front of latency and score.

/// Indices of the points that no other point beats, by rising cost.
///
/// A point `(cost, gain)` is beaten by one whose cost is no higher and whose gain is no lower, with
/// at least one of the two strictly better. Of equal points the first stays. Points with a value
/// that is not finite are never on the front.
pub(crate) fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..points.len()).filter(|&i| points[i].0.is_finite() && points[i].1.is_finite()).collect();
    order.sort_by(|&a, &b| {
        let ((cost_a, gain_a), (cost_b, gain_b)) = (points[a], points[b]);
        cost_a.total_cmp(&cost_b).then(gain_b.total_cmp(&gain_a)).then(a.cmp(&b))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&i| {
        let better = points[i].1 > best;
        if better {
            best = points[i].1;
        }
        better
    });
    order
}

#[cfg(test)]
mod tests {
    use super::front;

    #[test]
    fn known_front() {
        let points = [(1.0, 0.98), (0.5, 0.97), (0.7, 0.96), (0.4, 0.90), (0.5, 0.95)];
        assert_eq!(front(&points), [3, 1, 0]);
    }

    #[test]
    fn equal_points_stay_once_and_nan_never() {
        let points = [(1.0, 0.9), (1.0, 0.9), (f64::NAN, 1.0), (0.1, f64::NAN)];
        assert_eq!(front(&points), [0]);
        assert!(front(&[]).is_empty());
    }

    #[test]
    fn nobody_on_the_front_is_beaten_and_everybody_else_is() {
        let points: Vec<(f64, f64)> =
            (0..97u32).map(|i| (f64::from(i * 37 % 97), f64::from(i * i % 89))).collect();
        let on = front(&points);
        for (i, &(cost, gain)) in points.iter().enumerate() {
            let beaten = points.iter().any(|&(c, g)| c <= cost && g >= gain && (c < cost || g > gain));
            assert_eq!(beaten, !on.contains(&i), "point {i}");
        }
    }
}
