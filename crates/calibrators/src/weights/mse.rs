//! `mse` for weights: the scale with the least squared error.

use calibench_quant::{Entry, WeightCalibrator};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn WeightCalibrator> = Entry {
    id: "mse",
    summary: "the scale with the least squared error over the weights themselves",
    source: "Hubara et al. 2020, arXiv 2006.10518, §3; mqbench.observer.MSEObserver",
    construct: || Box::new(Mse),
};

/// Roundings spent on an octave of scales. Few weights have a rugged error, thousands a smooth one: the fewer
/// there are, the more scales are tried.
const SPENT: usize = 1 << 16;
/// Most octaves: below 2⁻⁸ of the largest magnitude even two-bit weights are nearly all clipped.
const OCTAVES: i32 = 8;
/// Scales from which the least-squares steps start.
const STARTS: usize = 8;

/// The bound `q_max · S` of the scale S that minimises
///
/// ```text
/// E(S) = Σ (w − S · clamp(round(w / S), −q_max, q_max))²
/// ```
///
/// over the weights. S is tried in 32 to 1,024 steps an octave, more for fewer weights, from a little above
/// that of the largest magnitude down to where the error is four times the least. From the eight best, the codes are held
/// and S is replaced by the least-squares scale for them, `Σ w q / Σ q²`, until the error no longer falls: each
/// start ends in an exact local minimum. Never worse than min-max.
///
/// Cost: some 10⁵ roundings for each scale, or 50 passes over many weights.
struct Mse;

impl WeightCalibrator for Mse {
    fn bound(&self, values: &[f32], q_max: i32) -> f32 {
        let most = values.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
        if most == 0.0 {
            return most;
        }
        let codes = q_max as f32;
        let widest = most / codes;
        let mut tried: Vec<(f64, f32)> = Vec::new();
        let mut least = f64::INFINITY;
        let per_octave = (SPENT / values.len().max(1)).clamp(32, 1024) as i32;
        // Min-max first; then from a little above it, where the outermost code is unused.
        let steps = std::iter::once(0).chain(-per_octave / 8..=OCTAVES * per_octave);
        for step in steps {
            let scale = widest * (-step as f32 / per_octave as f32).exp2();
            let Some(error) = error(values, scale, codes, least * 4.0) else { break };
            least = least.min(error);
            tried.push((error, scale));
        }
        tried.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let descended = tried.into_iter().take(STARTS).map(|start| descend(values, start, codes));
        let best = descended.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(widest, |(_, scale)| scale);
        best * codes
    }
}

fn code(w: f32, scale: f32, codes: f32) -> f32 {
    (w / scale).round_ties_even().clamp(-codes, codes)
}

/// The squared error; `None` once it exceeds `limit`.
fn error(values: &[f32], scale: f32, codes: f32, limit: f64) -> Option<f64> {
    let mut sum = 0.0_f64;
    for part in values.chunks(256) {
        sum += part.iter().map(|w| f64::from(w - scale * code(*w, scale, codes)).powi(2)).sum::<f64>();
        if sum > limit {
            return None;
        }
    }
    Some(sum)
}

/// Least squares for the codes at hand, again and again while that lowers the error.
fn descend(values: &[f32], start: (f64, f32), codes: f32) -> (f64, f32) {
    let mut best = start;
    for _ in 0..64 {
        let (mut wq, mut qq) = (0.0_f64, 0.0_f64);
        for w in values {
            let q = f64::from(code(*w, best.1, codes));
            wq += f64::from(*w) * q;
            qq += q * q;
        }
        let scale = if qq > 0.0 { (wq / qq) as f32 } else { best.1 };
        match error(values, scale, codes, best.0) {
            Some(error) if error < best.0 && scale > 0.0 => best = (error, scale),
            _ => break,
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::Random;

    fn at(values: &[f32], bound: f32, q_max: i32) -> f64 {
        error(values, bound / q_max as f32, q_max as f32, f64::INFINITY).unwrap()
    }

    #[test]
    fn no_scale_of_a_dense_grid_is_better() {
        let mut random = Random::new(1);
        for values in [random.normals(64), random.normals(576), random.many(300, Random::laplace)] {
            for q_max in [1, 7, 127] {
                let found = at(&values, Mse.bound(&values, q_max), q_max);
                let most = values.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
                let grid = (1..=4000).map(|i| at(&values, most * 1.05 * i as f32 / 4000.0, q_max));
                let least = grid.fold(f64::INFINITY, f64::min);
                // At 8 bits E(S) has thousands of minima within a thousandth of each other.
                let allowed = if q_max == 127 { 1.03 } else { 1.001 };
                assert!(found <= least * allowed, "{q_max}: {found} against {least}");
                assert!(found <= at(&values, most, q_max), "{q_max}");
            }
        }
    }

    #[test]
    fn weights_on_a_grid_are_kept_exactly() {
        let grid: Vec<f32> = (-7..=7).map(|q| q as f32 * 0.25).collect();
        assert_eq!(Mse.bound(&grid, 7), 1.75);
        assert_eq!(Mse.bound(&[0.0; 8], 127), 0.0);
    }
}
